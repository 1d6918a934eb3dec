/**
 * HAPI FHIR's validator (https://hapifhir.io, from Maven Central) as one Java process that answers on its standard
 * output. Needs Java 17 and Maven, and Maven Central or a filled ~/.m2. Starting takes some seconds; the first file of a
 * release some more, since its definitions are read then.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const SOURCE = join(__dirname, 'hapi');

export type HapiRelease = 'STU3' | 'R4';

export interface HapiIssue {
  severity: 'fatal' | 'error' | 'warning' | 'information';
  /** HAPI's name of the rule, e.g. `Validation_VAL_Profile_Minimum`; empty where it has none. */
  messageId: string;
  /** HAPI's path without resource ids, e.g. `Bundle.entry[0].resource.identifier`. */
  location: string;
  text: string;
}

export interface Hapi {
  /** Validates a file, XML or JSON, which may be gzipped, against the base definitions and the profiles it claims. */
  validate(file: string, release: HapiRelease): Promise<HapiIssue[]>;
  stop(): void;
}

/**
 * Starts the validator. Definitions of profiles, value sets and code systems are read from the folders, at any depth.
 *
 * @throws Error that says why, where Java or Maven or the libraries are missing.
 */
export function startHapi(folders: Partial<Record<HapiRelease, string[]>> = {}): Hapi {
  const java = spawn('java', ['-Xmx3g', '-cp', classPath(), join(SOURCE, 'Hapi.java')], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const waiting: ((line: string) => void)[] = [];
  let log = '';
  let ended: string | undefined;
  java.stderr.on('data', (bytes: Buffer) => (log = (log + bytes.toString()).slice(-4000)));
  createInterface({ input: java.stdout }).on('line', (line) => waiting.shift()?.(line));
  java.on('close', (code) => {
    ended = JSON.stringify({ failed: `Java ended with code ${code}: ${log}` });
    for (const answer of waiting.splice(0)) answer(ended);
  });
  // A process that has ended answers by its `close`.
  java.stdin.on('error', () => undefined);
  java.on('error', (error) => (log += error.message));
  const write = (line: object): boolean => java.stdin.write(`${JSON.stringify(line)}\n`);
  write({ STU3: folders.STU3 ?? [], R4: folders.R4 ?? [] });
  return {
    async validate(file, release) {
      const line = await new Promise<string>((resolve) => {
        if (ended !== undefined) return resolve(ended);
        waiting.push(resolve);
        write({ release, file });
      });
      const answer = JSON.parse(line) as { issues?: HapiIssue[]; failed?: string };
      if (answer.issues === undefined) throw new Error(`HAPI did not validate ${file}: ${answer.failed}`);
      return answer.issues;
    },
    stop: () => java.stdin.end(),
  };
}

/** The jars in ~/.m2, which Maven fills. */
function classPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-hapi-'));
  try {
    const file = join(folder, 'classpath');
    const { status, stdout, stderr, error } = spawnSync(
      'mvn',
      ['-q', '-B', 'dependency:build-classpath', `-Dmdep.outputFile=${file}`],
      { cwd: SOURCE, encoding: 'utf8' },
    );
    if (status === 0) return readFileSync(file, 'utf8').trim();
    const reason = `${stderr}${stdout}`.split('\n').find((line) => line.startsWith('[ERROR]'));
    throw new Error(`Maven cannot get HAPI's libraries: ${error?.message ?? reason ?? 'mvn failed'}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
