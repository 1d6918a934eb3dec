/**
 * `npm run test:itk3`: every ITK3 response that lib/acks builds, XML and JSON, against HL7's own STU3 definitions, by
 * HAPI FHIR's validator. Needs Java 17 and Maven, and Maven Central or a filled ~/.m2; about a minute.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildItk3Response } from '../../../lib/acks/itk3/build';
import { ITK3_CODES } from '../../../lib/acks/itk3/codes';
import { ROOT } from '../../harness/node-red';

const VALIDATOR = join(ROOT, 'test', 'acks', 'validate');

function run(command: string, args: string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (error || status !== 0) throw new Error(`${command} failed: ${error?.message ?? (stderr || stdout).slice(-2000)}`);
  return stdout;
}

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

function main(): void {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-itk3-'));
  try {
    const jars = join(folder, 'jars');
    mkdirSync(jars);
    run('mvn', ['-q', '-B', 'dependency:copy-dependencies', `-DoutputDirectory=${jars}`], VALIDATOR);
    const files = writeResponses(folder);
    const output = run('java', ['-cp', join(jars, '*'), join(VALIDATOR, 'Validate.java'), ...files], folder);
    const lines = output.split('\n');
    const faulty = new Set(lines.map((line) => line.split(' ')[0] ?? '').filter((name) => files.includes(name)));
    if (!lines.includes(`validated ${files.length}`))
      throw new Error(`The validator did not finish:\n${output.slice(-2000)}`);
    const failed = files.filter((name) => faulty.has(name) !== (name === 'fault.json'));
    for (const line of lines.filter((text) => failed.includes(text.split(' ')[0] ?? '')))
      process.stdout.write(`${line}\n`);
    process.stdout.write(`\nTests: ${files.length - failed.length} passed, ${failed.length} failed, 0 skipped\n`);
    if (failed.length > 0) process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

main();
