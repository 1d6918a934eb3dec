/**
 * Makes lib/formats/fhir/definitions-*.ts from HL7's own XML schemas (fhir-single.xsd), as HAPI's validation resources on
 * Maven Central carry them. Run by hand when HL7 publishes a correction:
 *
 *   tsx scripts/fhir-definitions.ts <fhir-single.xsd> STU3|R4
 *
 * One line for each type that stands by itself, its parts on the same line: `Type<Base|name:Type name*Type …;Type.Part<…`.
 * `:` once, `*` repeated; `!` before the type of an element that the XML has as an attribute.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [file = '', release = ''] = process.argv.slice(2);
if (!['STU3', 'R4'].includes(release))
  throw new Error('Usage: tsx scripts/fhir-definitions.ts <fhir-single.xsd> STU3|R4');
const xsd = readFileSync(file, 'utf8').replaceAll(/<xs:annotation>[\s\S]*?<\/xs:annotation>/g, '');

const types = new Map<string, string>();
const primitives: string[] = [];
for (const [, name = '', body = ''] of xsd.matchAll(
  /<xs:complexType name="([\w.-]+)"[^>]*>([\s\S]*?)<\/xs:complexType>/g,
)) {
  const base = /<xs:extension base="([\w.-]+)"/.exec(body)?.[1] ?? '';
  if (/<xs:attribute name="value"/.test(body)) {
    if (/^[a-z]/.test(name)) primitives.push(name);
    else types.set(name, 'code');
    continue;
  }
  const parts = [...body.matchAll(/<xs:(element|attribute)\s([^>]*)>/g)].map(([, kind, attributes = '']) => {
    const value = (key: string): string | undefined => new RegExp(`\\b${key}="([^"]*)"`).exec(attributes)?.[1];
    const type = value('type') ?? (value('ref') === 'xhtml:div' ? 'xhtml' : 'string');
    if (kind === 'attribute') return `${value('name')}:!${type.replace(/-primitive$|^xs:/g, '')}`;
    return `${value('name') ?? 'div'}${value('maxOccurs') === 'unbounded' ? '*' : ':'}${type}`;
  });
  if (name !== 'ResourceContainer') types.set(name, `${base === '' ? '' : `<${base}`}|${parts.join(' ')}`);
}

// Codes are restricted types of their own in the schema (`AdministrativeGender`); to a converter they are codes.
const coded = new Set([...types].filter(([, body]) => body === 'code').map(([name]) => name));
const lines = new Map<string, string[]>();
for (const [name, body] of types) {
  if (coded.has(name)) continue;
  const plain = body.replaceAll(/(?<=[:*]!?)[\w.-]+/g, (type) => (coded.has(type) ? 'code' : type));
  const owner = name.split('.')[0] ?? name;
  lines.set(owner, [...(lines.get(owner) ?? []), name + plain]);
}
const text = [...lines.values()].map((parts) => parts.join(';')).sort();
const target = join(__dirname, '..', 'lib', 'formats', 'fhir', `definitions-${release.toLowerCase()}.ts`);
writeFileSync(
  target,
  `/**
 * Elements of FHIR ${release}, in the order that XML wants. Made by scripts/fhir-definitions.ts from HL7's schemas
 * (Copyright (c) 2011+, HL7, Inc.; FHIR is a registered trademark of HL7): names and types only. Not edited by hand.
 */
export const ${release}_PRIMITIVES = '${primitives.sort().join(' ')}';
export const ${release}_TYPES = [
${text.map((line) => `  '${line}',`).join('\n')}
];
`,
);
