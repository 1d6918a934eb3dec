import { ok } from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { fhirJsonToXml } from '../../../lib/formats/fhir/to-xml';
import { validatePayload, type ValidationRequest } from '../../../lib/formats/fhir/profiles/validate-payload';
import { buildLetter } from '../../../lib/letters/build-letter';
import { ROOT } from '../../harness/node-red';
import { dischargeLetter, SENDER, sendDocumentLetter } from '../../letters/letters';
import { mutate, randomFrom } from './mutate';
import { mutateXml } from './mutate-xml';

const REFERENCE = join(process.env['MESH_REFERENCE'] ?? join(ROOT, '..', 'shared', 'reference'), 'fhir-profiles');
/** HL7's own definitions always; the NHS's profiles, which the letters claim, where they are on this machine. */
const SETS: Array<[name: string, sources: string[]]> = [['HL7’s own definitions', []]];
if (existsSync(REFERENCE)) SETS.push(['the NHS’s profiles', [join(REFERENCE, 'stu3')]]);

/** Longest that one validation may take, in milliseconds; a loaded CI machine is several times slower than this one. */
const MAX_MS = 20_000;
const LETTERS = [
  buildLetter('send-document', sendDocumentLetter(), SENDER).message,
  buildLetter('inpatient-discharge', dischargeLetter(), SENDER).message,
];

async function check(payload: ValidationRequest['payload'], sources: string[]): Promise<void> {
  for (const release of ['STU3', 'R4'] as const) {
    const start = performance.now();
    const { valid, issues } = await validatePayload({
      payload,
      release,
      sources: release === 'R4' ? [] : sources,
      profiles: [],
    });
    ok(performance.now() - start < MAX_MS, 'it took too long');
    ok(issues.length <= 2001, `${issues.length} issues`);
    ok(valid === !issues.some(({ severity }) => severity === 'error'));
  }
}

/** Puts any JSON in the place of any value of a letter. */
function replaced(letter: object, at: number, by: unknown): Record<string, unknown> {
  let left = at;
  const walk = (value: unknown): unknown => {
    if ((left -= 1) === 0) return by;
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, walk(each)]));
  };
  return walk(letter) as Record<string, unknown>;
}

for (const [name, sources] of SETS) {
  describe(`FHIR validation by ${name} never throws, hangs or grows without bound`, function () {
    this.timeout(120_000);

    it('for any JSON in any place of a letter', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...LETTERS),
          fc.integer({ min: 2, max: 300 }),
          fc.jsonValue(),
          async (letter, at, by) => {
            await check(replaced(letter, at, by), sources);
          },
        ),
        { numRuns: 300 },
      );
    });

    it('for letters that were changed ten times, in JSON and in XML', async () => {
      const random = randomFrom(20261201);
      for (const letter of LETTERS) {
        for (let round = 0; round < 40; round += 1) {
          let [resource, xml] = [letter as Record<string, unknown>, fhirJsonToXml(letter)];
          for (let change = 0; change < 10; change += 1) {
            resource = mutate(resource, random, false)?.resource ?? resource;
            xml = mutateXml(xml, random, false)?.xml ?? xml;
          }
          await check(JSON.stringify(resource), sources);
          await check(xml, sources);
        }
      }
    });

    it('for texts and bytes of any kind', async () => {
      const start = fc.constantFrom(
        '',
        '{"resourceType":"Bundle",',
        '<Bundle xmlns="http://hl7.org/fhir">',
        '{"resourceType":',
      );
      await fc.assert(
        fc.asyncProperty(start, fc.string({ unit: 'binary' }), (before, text) => check(before + text, sources)),
        { numRuns: 300 },
      );
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), (bytes) => check(bytes, sources)),
        { numRuns: 200 },
      );
    });

    it('for a letter with a document in a document in a document', async () => {
      const [letter] = LETTERS;
      const entry = letter?.['entry'] as Array<{ fullUrl: string; resource: Record<string, unknown> }>;
      let document = entry[2]?.resource ?? {};
      for (let depth = 0; depth < 60; depth += 1) {
        const inner = (document['entry'] as object[]).slice(0, 2);
        const outer = { fullUrl: `urn:uuid:${depth}`, resource: document };
        document = Object.assign({}, document, { entry: [...inner, outer] });
      }
      await check({ ...letter, entry: [...entry.slice(0, 2), { ...entry[2], resource: document }] }, sources);
    });

    it('for a letter with 20,000 sections and 20,000 resources', async () => {
      const [, letter] = LETTERS;
      const copy = structuredClone(letter) as unknown as {
        entry: Array<{ resource: { entry: Array<{ fullUrl: string; resource: Record<string, unknown> }> } }>;
      };
      const inner = copy.entry[2]?.resource.entry ?? [];
      const composition = inner[0]?.resource ?? {};
      const section = composition['section'] as object[];
      composition['section'] = Array.from({ length: 20_000 }, (_, index) => section[index % section.length]);
      for (let index = 0; index < 20_000; index += 1) {
        inner.push({ fullUrl: `urn:uuid:${index}`, resource: structuredClone(inner[1]?.resource ?? {}) });
      }
      await check(copy, sources);
    });
  });
}
