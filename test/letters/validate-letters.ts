/**
 * `npm run test:letters`: HAPI FHIR's validator over every kind of letter that lib/letters builds, with as little and as
 * much in it as it may have, and over every FHIR message that the examples send. With `MESH_REFERENCE=../shared/reference` against the
 * profiles that the messages claim, otherwise against FHIR's base definitions. Needs Java 17 and Maven.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { fhirJsonToXml } from '../../lib/formats/fhir/to-xml';
import { buildLetter } from '../../lib/letters/build-letter';
import { LETTER_KINDS, TRANSFERS_OF_CARE, type LetterKind } from '../../lib/letters/headings';
import type { Letter } from '../../lib/letters/letter';
import { startHapi, type HapiIssue, type HapiRelease } from '../harness/hapi';
import { dischargeLetter, forKind, mdm, SENDER, sendDocumentLetter } from './letters';
import { sentByExamples } from './sent-by-examples';

const REFERENCE = process.env['MESH_REFERENCE'];
const PROFILES = REFERENCE === undefined ? undefined : resolve(REFERENCE, 'fhir-profiles', 'stu3');

/** Warnings that stay, with their reasons. */
const EXPECTED_WARNINGS: ReadonlyArray<[RegExp, string]> = [
  [/should not be used with the UUID/, 'ITK3’s own examples have UUIDs under rfc4122'],
  [/http:\/\/snomed\.info\/sct/, 'SNOMED CT may not be shipped: membership is not decided'],
];

/** Returns letters of a kind: one with what is mandatory, and one with everything. */
function lettersOf(kind: LetterKind): Record<string, Letter> {
  if (kind === 'send-document' || kind === 'notify') {
    const author = { identifier: { system: 'https://fhir.nhs.uk/Id/sds-user-id', value: '123456789012' } };
    const full = sendDocumentLetter(mdm({ replaces: 'DOC1' }), { author, recipientType: 'FI' });
    return { least: sendDocumentLetter(), most: full };
  }
  const { headings } = TRANSFERS_OF_CARE[kind];
  const sections = Object.fromEntries(headings.map((heading) => [heading, `Text of ${heading} & more < enough`]));
  const more: Letter = {
    sections,
    replaces: 'DOC1',
    practice: { name: 'Example Surgery', odsCode: 'X99999', phone: '01632960002' },
    encounter: { identifier: { system: 'https://example.nhs.uk/visit', value: 'V1' } },
    documents: sendDocumentLetter().documents,
  };
  return { least: dischargeLetter(forKind(kind)), most: dischargeLetter(more) };
}

interface Message {
  file: string;
  release: HapiRelease;
  /** Whether it has a fault: a validator that lets that pass would prove nothing. */
  isFaulty?: boolean;
}

/** Writes the letters of lib/letters, and one with a fault. */
function writeLetters(folder: string): Message[] {
  const letters = LETTER_KINDS.flatMap((kind) =>
    Object.entries(lettersOf(kind)).map(([name, letter]): Message => {
      const { message } = buildLetter(kind, letter, SENDER);
      const isR4 = kind === 'notify';
      const file = join(folder, `${kind}-${name}.${isR4 ? 'json' : 'xml'}`);
      writeFileSync(file, isR4 ? JSON.stringify(message) : fhirJsonToXml(message));
      return { file, release: isR4 ? 'R4' : 'STU3' };
    }),
  );
  const faulty = fhirJsonToXml(buildLetter('send-document', sendDocumentLetter(), SENDER).message);
  const file = join(folder, 'fault.xml');
  writeFileSync(file, faulty.replace('<status value="final"/>', '<status value="happy"/>'));
  return [...letters, { file, release: 'STU3', isFaulty: true }];
}

/** Without the profiles' definitions nothing can be said of what claims them. */
const isOfProfile = ({ text }: HapiIssue): boolean =>
  PROFILES === undefined &&
  /Failed to retrieve profile with url=|reference could not be resolved, so has not been checked|Profile reference .* has not been checked/.test(
    text,
  );
const isError = ({ severity }: HapiIssue): boolean => severity === 'fatal' || severity === 'error';

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-letters-'));
  const hapi = startHapi(PROFILES === undefined ? {} : { STU3: [PROFILES] });
  const warnings = new Map<string, number>();
  let failed = 0;
  try {
    const sent = join(folder, 'sent');
    mkdirSync(sent);
    const messages: Message[] = [...writeLetters(folder), ...(await sentByExamples(sent))];
    for (const { file, release, isFaulty = false } of messages) {
      const issues = (await hapi.validate(file, release)).filter((issue) => !isOfProfile(issue));
      for (const { severity, text } of issues) {
        if (severity !== 'warning') continue;
        const reason = EXPECTED_WARNINGS.find(([pattern]) => pattern.test(text))?.[1] ?? text;
        warnings.set(reason, (warnings.get(reason) ?? 0) + 1);
      }
      const errors = issues.filter(isError);
      if (errors.length > 0 === isFaulty) continue;
      failed += 1;
      for (const { location, text } of errors) process.stdout.write(`${basename(file)} ${location} ${text}\n`);
    }
    for (const [reason, count] of warnings) process.stdout.write(`${count} warnings: ${reason}\n`);
    process.stdout.write(
      `Profiles: ${PROFILES === undefined ? 'none, base definitions only' : 'ITK3 and CareConnect'}\n`,
    );
    process.stdout.write(`\nTests: ${messages.length - failed} passed, ${failed} failed, 0 skipped\n`);
    if (failed > 0) process.exitCode = 1;
  } finally {
    hapi.stop();
    rmSync(folder, { recursive: true });
  }
}

void main();
