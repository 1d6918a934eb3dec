/**
 * Generates lib/formats/fhir/profiles/base-*.gz from HL7's own definitions (CC0), which HAPI's validation resources on
 * Maven Central contain. Run it by hand when HL7 publishes a correction, or when the normal form changes:
 *
 *   tsx scripts/fhir-base-definitions.ts <org/hl7/fhir/dstu3/model or org/hl7/fhir/r4/model> STU3|R4
 *
 * The output has one line for each definition (lib/formats/fhir/profiles/base-definitions.ts), compressed: what
 * only people read is left out, and so are the examples' value sets.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { constants, gzipSync } from 'node:zlib';
import { fhirXmlToObject } from '../lib/formats/fhir/from-xml';
import { normalCodeSystem, normalStructure, normalValueSet, type Structure } from '../lib/formats/fhir/profiles/normal';
import type { FhirRelease } from '../lib/formats/fhir/definitions';
import type { Constraint } from '../lib/formats/fhir/validate/types';

const [folder = '', release = ''] = process.argv.slice(2);
if (!['STU3', 'R4'].includes(release)) {
  throw new Error(
    'Usage: tsx scripts/fhir-base-definitions.ts <folder with profile/, extension/ and valueset/> STU3|R4',
  );
}

const FILES = [
  'profile/profiles-types.xml',
  'profile/profiles-resources.xml',
  'profile/profiles-others.xml',
  'extension/extension-definitions.xml',
  'valueset/valuesets.xml',
  'valueset/v2-tables.xml',
  'valueset/v3-codesystems.xml',
];

const constraints = new Map<string, Constraint>();
const lines = new Map<string, string>();
for (const file of FILES) {
  const xml = readFileSync(join(folder, file), 'utf8');
  for (const [text, kind = ''] of xml.matchAll(/<(StructureDefinition|ValueSet|CodeSystem)[ >][\s\S]*?<\/\1>/g)) {
    const declared = text.startsWith(`<${kind} xmlns=`)
      ? text
      : text.replace(`<${kind}`, `<${kind} xmlns="http://hl7.org/fhir"`);
    const resource = fhirXmlToObject(declared.replace(/<text>[\s\S]*?<\/text>/, ''), {
      release: release as FhirRelease,
    });
    const definition =
      kind === 'ValueSet'
        ? normalValueSet(resource)
        : kind === 'CodeSystem'
          ? normalCodeSystem(resource)
          : stored(normalStructure(resource));
    const { url, version = '' } = definition;
    lines.set(`${kind} ${url}`, [kind, url, version, JSON.stringify(definition)].join('\t'));
  }
}

/** Invariants by their key, which is unlike for any two of HL7's; `max` left out for `*`, and `id` where it is the path. */
function stored(structure: Structure): Structure {
  const elements = structure.elements.map(({ id, max, constraints: own, ...element }) => ({
    ...(id === element.path ? {} : { id }),
    ...element,
    ...(max === undefined || max === Infinity ? {} : { max }),
    ...(own && { constraints: own.map((constraint) => keyOf(constraint)) }),
  }));
  return { ...structure, elements: elements as unknown as Structure['elements'] };
}

/** Where two invariants have the same key (HL7 has some), the second one has a number. */
function keyOf(constraint: Constraint): string {
  const text = JSON.stringify({ ...constraint, source: undefined });
  for (let number = 1; ; number += 1) {
    const key = number === 1 ? constraint.key : `${constraint.key} ${number}`;
    const known = constraints.get(key);
    if (!known) constraints.set(key, constraint);
    if (!known || JSON.stringify({ ...known, source: undefined }) === text) return key;
  }
}

const sorted = [...lines].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, line]) => line);
const text = `${JSON.stringify(Object.fromEntries(constraints))}\n${sorted.join('\n')}\n`;
const target = join(__dirname, '..', 'lib', 'formats', 'fhir', 'profiles', `base-${release.toLowerCase()}.gz`);
writeFileSync(target, gzipSync(text, { level: constants.Z_BEST_COMPRESSION }));
process.stdout.write(
  `${lines.size} definitions, ${text.length} characters, ${gzipSync(text, { level: 9 }).length} bytes\n`,
);
