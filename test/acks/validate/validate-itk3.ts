/**
 * `npm run test:itk3`: every ITK3 response that lib/acks builds, XML and JSON, against HL7's own STU3 definitions, by
 * HAPI FHIR's validator. Needs Java 17 and Maven, and Maven Central or a filled ~/.m2; about a minute.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildItk3Response } from '../../../lib/acks/itk3/build';
import { ITK3_CODES } from '../../../lib/acks/itk3/codes';
import { startHapi, type HapiIssue } from '../../harness/hapi';

/** Writes every response, and one with a fault: a validator that lets that pass would prove nothing. */
function writeResponses(folder: string): string[] {
  const options = { mailboxId: 'X26ABC1', odsCode: 'X26', now: new Date() };
  const request = { messageId: 'b1d5e1c0-0000-4000-8000-000000000001', senderReference: 'a & <b>' };
  const received = {
    ...request,
    infrastructureRequested: true,
    businessRequested: true,
    from: undefined,
    isResponse: false,
  };
  const files = ITK3_CODES.flatMap(({ code }) =>
    (['xml', 'json'] as const).map((format) => {
      const name = `${code}.${format}`;
      writeFileSync(join(folder, name), buildItk3Response(received, { ...options, code, format }));
      return name;
    }),
  );
  const bad = buildItk3Response(received, { ...options, code: '20013', format: 'json' });
  writeFileSync(join(folder, 'fault.json'), bad.replace('"severity":"information"', '"severity":"happy"'));
  return [...files, 'fault.json'];
}

/** The NHS's profiles are not here: only FHIR's own definitions are checked. */
const isOfNhs = ({ text }: HapiIssue): boolean =>
  text.includes('Failed to retrieve profile with url=https://fhir.nhs.uk/STU3/');

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-itk3-'));
  const hapi = startHapi();
  let failed = 0;
  try {
    const files = writeResponses(folder);
    for (const file of files) {
      const issues = await hapi.validate(join(folder, file), 'STU3');
      const errors = issues.filter((issue) => ['fatal', 'error'].includes(issue.severity) && !isOfNhs(issue));
      if (errors.length > 0 === (file === 'fault.json')) continue;
      failed += 1;
      for (const { location, text } of errors) process.stdout.write(`${file} ${location} ${text}\n`);
    }
    process.stdout.write(`\nTests: ${files.length - failed} passed, ${failed} failed, 0 skipped\n`);
    if (failed > 0) process.exitCode = 1;
  } finally {
    hapi.stop();
    rmSync(folder, { recursive: true });
  }
}

void main();
