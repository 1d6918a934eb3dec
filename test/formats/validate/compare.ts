/**
 * `npm run test:validator`: our validator beside HAPI's, on published messages, on messages with a seeded fault, and on
 * changed ones that it makes itself and has a real HAPI judge (Java 17, Maven). Options:
 *
 *   --folder DIR     a folder with examples/, faults/faults.json and hapi-outcomes.json (default: ../shared/reference)
 *   --profiles DIR   a folder with stu3/ and ukcore-r4/ (default: the same)
 *   --mutations N    changed messages (default 300; 0: none, and no Java)
 *   --seed N         of the changes
 *   --keep DIR       writes the changed messages and HAPI's verdicts there, in the form of --folder
 *   --json           prints {files, equal, falseErrors, missed, ms} on the last line
 *
 * A file is equal when both say valid, or both say not. `falseErrors` counts errors of ours in files that HAPI finds
 * valid, but for what HAPI does not look at (docs/validation.md). `missed` counts HAPI's errors that a message has caused
 * and that we do not have at the same element.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { fhirXmlToObject } from '../../../lib/formats/fhir/from-xml';
import type { FhirRelease } from '../../../lib/formats/fhir/definitions';
import { validatePayload, type ValidationOutcome } from '../../../lib/formats/fhir/profiles/validate-payload';
import type { ValidationIssue } from '../../../lib/formats/fhir/validate/types';
import { startHapi, type Hapi, type HapiIssue } from '../../harness/hapi';
import { ROOT } from '../../harness/node-red';
import { mutate, randomFrom, type Random } from './mutate';
import { mutateXml } from './mutate-xml';

const REFERENCE = process.env['MESH_REFERENCE'] ?? join(ROOT, '..', 'shared', 'reference');

const { values: options } = parseArgs({
  options: {
    folder: { type: 'string', default: join(REFERENCE, 'fhir-profiles') },
    profiles: { type: 'string' },
    mutations: { type: 'string', default: '300' },
    seed: { type: 'string', default: '20261130' },
    keep: { type: 'string' },
    json: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
});
const folder = options.folder;
const profiles = options.profiles ?? folder;

/** What ours finds and HAPI does not look at. */
const ONLY_OURS = new Set(['nhs-number', 'id-unlike-full-url']);
/** Answers of HAPI to errors elsewhere: at each reference to a resource with an error, and to a slice that did not match for it. */
const CASCADES = new Set(['Reference_REF_CantMatchChoice']);
/** What HAPI says of its terminology, and of definitions that it does not have. */
const NOT_THE_MESSAGE = new Set([
  'Terminology_TX_ValueSet_NotFound_CS',
  'Reference_REF_CantResolveProfile',
  'SLICING_CANNOT_BE_EVALUATED',
]);

const SETS = ['published', 'seeded', 'mutated'] as const;

interface HapiError {
  messageId: string | null;
  location: string;
  /** In hapi-outcomes.json: `message`, `profile`, `terminology`, `hapi`. */
  cause?: string;
  reason: string;
}

interface Compared {
  set: (typeof SETS)[number];
  file: string;
  isEqual: boolean;
  falseErrors: string[];
  missed: string[];
  /** HAPI's errors that the message has caused. */
  looked: number;
}

const sources: Record<FhirRelease, string[]> = {
  STU3: [join(profiles, 'stu3')].filter((each) => existsSync(each)),
  R4: [join(profiles, 'ukcore-r4')].filter((each) => existsSync(each)),
};

function contentOf(file: string): Buffer {
  const bytes = readFileSync(file);
  return file.endsWith('.gz') ? gunzipSync(bytes) : bytes;
}

let ms = 0;
async function ours(payload: Buffer | Record<string, unknown>, release: FhirRelease): Promise<ValidationOutcome> {
  const started = performance.now();
  try {
    return await validatePayload({ payload, release, sources: sources[release], profiles: [] });
  } finally {
    ms += performance.now() - started;
  }
}

/** The name of a choice with its type, as one word of a path: `valueString`, `deceasedBoolean`. */
const TYPED_CHOICE =
  /\.(value|deceased|effective|onset|abatement|multipleBirth|medication|occurrence|performed|serviced|item|content|author|location|timing|asNeeded|dose|rate|product|allowed|used|fixed|pattern|minValue|maxValue|defaultValue)[A-Z][A-Za-z]*/g;

/**
 * Paths without the marks of a choice, and without the last index: HAPI names some lists, and some of their entries. Of
 * the same choice it prints `value[x]`, `value.ofType(string)` and `valueString`.
 */
const plain = (path: string): string =>
  path
    .replaceAll(/\.ofType\(\w+\)|\[x\]|\[url='[^']*'\]/g, '')
    .replaceAll(TYPED_CHOICE, '.$1')
    .replace(/(?:\[\d+\])+$/, '');

/** HAPI names the parent of what is missing or unknown; elsewhere the element itself. */
function isSamePlace(one: string, other: string): boolean {
  const [a, b] = [plain(one), plain(other)];
  const isChild = (child: string, parent: string): boolean =>
    child.startsWith(parent) && /^(?:\[\d+\])?\.\w+$/.test(child.slice(parent.length));
  return a === b || isChild(a, b) || isChild(b, a);
}

/** Whether an issue of ours is at the element that an error of HAPI's names. */
function isFound({ messageId, location }: HapiError, { path }: ValidationIssue): boolean {
  if (isSamePlace(path, location)) return true;
  // HAPI counts from 1 within the innermost bundle where it speaks of a bundle's own rules.
  const [, before = '', inner = ''] = /^(.*)(\.entry\[\d+\]\.resource.*)$/.exec(location) ?? [];
  const fromOne = before + inner.replaceAll(/\[(\d+)\]/g, (_, index) => `[${Number(index) - 1}]`);
  if (/^(?:Validation_)?bundle/i.test(messageId ?? '') && isSamePlace(path, fromOne)) return true;
  // What its parser refuses, it names from the resource on: `/f:Patient/f:gender`.
  if (location.startsWith('Bundle.')) return false;
  const fromResource = (text: string): string => `x${text.replaceAll(/\[\d+\]/g, '')}`;
  return isSamePlace(
    fromResource(path.replace(/^.*\.resource(?=\.|$)|^\w+/, '')),
    fromResource(location.replace(/^\/?(?:f:)?\w+/, '').replaceAll(/\/(?:f|\?):/g, '.')),
  );
}

function compare(
  set: Compared['set'],
  file: string,
  outcome: ValidationOutcome,
  hapi: { valid: boolean; errors: readonly HapiError[] },
): Compared {
  const errors = outcome.issues.filter(({ severity }) => severity === 'error');
  const counted = errors.filter(({ rule }) => !ONLY_OURS.has(rule));
  const causes = hapi.errors.filter(
    ({ messageId, cause = 'message' }) =>
      cause === 'message' && !CASCADES.has(messageId ?? '') && !NOT_THE_MESSAGE.has(messageId ?? ''),
  );
  return {
    set,
    file,
    isEqual: hapi.valid === (counted.length === 0),
    falseErrors: hapi.valid ? counted.map(({ path, rule, text }) => `${path} ${rule}: ${text}`) : [],
    missed: causes
      .filter((error) => !errors.some((issue) => isFound(error, issue)))
      .map(({ location, messageId, reason }) => `${location} ${messageId ?? ''}: ${reason}`),
    looked: causes.length,
  };
}

interface Outcomes {
  files: Array<{
    file: string;
    /** Of a changed message: what was changed in which. */
    change?: string;
    fhir: FhirRelease;
    valid: boolean;
    issues: Array<HapiError & { severity: string }>;
  }>;
}
interface Faults {
  faults: Array<{
    file: string;
    base: string;
    fault: string;
    fhir: FhirRelease;
    verdict: string;
    hapi: Array<HapiError & { severity: string }>;
  }>;
}

const read = (file: string): unknown => JSON.parse(readFileSync(join(folder, file), 'utf8'));
const onlyErrors = <T extends { severity: string }>(issues: readonly T[]): T[] =>
  issues.filter(({ severity }) => severity === 'error' || severity === 'fatal');

async function comparePublished({ files }: Outcomes): Promise<Compared[]> {
  const compared: Compared[] = [];
  for (const { file, change = '', fhir, valid, issues } of files) {
    const outcome = await ours(contentOf(join(folder, 'examples', file)), fhir);
    compared.push(compare('published', `${file} ${change}`.trim(), outcome, { valid, errors: onlyErrors(issues) }));
  }
  return compared;
}

async function compareSeeded({ faults }: Faults): Promise<Compared[]> {
  const compared: Compared[] = [];
  for (const { file, fault, fhir, verdict, hapi } of faults) {
    const outcome = await ours(contentOf(join(folder, 'faults', file)), fhir);
    const theirs = { valid: verdict !== 'error', errors: onlyErrors(hapi) };
    compared.push(compare('seeded', `${file} (${fault})`, outcome, theirs));
  }
  return compared;
}

/** A valid message to change. */
interface Base {
  name: string;
  fhir: FhirRelease;
  resource: Record<string, unknown>;
  /** As published, where it is XML. */
  xml?: string;
}

/** Valid messages to change: bases of the faults, and published ones without an error. */
function bases(outcomes: Outcomes, { faults }: Faults): Base[] {
  const files = new Map<string, FhirRelease>();
  for (const { base, fhir } of faults) files.set(join(folder, 'faults', base), fhir);
  for (const { file, fhir, valid } of outcomes.files) if (valid) files.set(join(folder, 'examples', file), fhir);
  return [...files].map(([file, fhir]) => {
    const content = contentOf(file);
    const isJson = /^\s*\{/.test(content.toString('utf8', 0, 100));
    const resource = isJson
      ? (JSON.parse(content.toString('utf8')) as Record<string, unknown>)
      : fhirXmlToObject(content, { release: fhir });
    const name = file.slice(folder.length + 1);
    return isJson ? { name, fhir, resource } : { name, fhir, resource, xml: content.toString('utf8') };
  });
}

/** Returns a changed message as it goes over the wire: every third one of those in XML is changed in its XML. */
function mutantOf(
  base: Base,
  random: Random,
  isHarmless: boolean,
): { kind: string; path: string; content: string } | undefined {
  if (base.xml !== undefined && random(3) === 0) {
    const mutant = mutateXml(base.xml, random, isHarmless);
    return mutant && { kind: mutant.kind, path: mutant.path, content: mutant.xml };
  }
  const mutant = mutate(base.resource, random, isHarmless);
  return mutant && { kind: mutant.kind, path: mutant.path, content: JSON.stringify(mutant.resource) };
}

/** Undefined where HAPI fails itself, as with a list in the place of an object, or `eventCodings` for `event`. */
async function errorsOf(hapi: Hapi, file: string, release: FhirRelease): Promise<HapiError[] | undefined> {
  try {
    const issues: readonly HapiIssue[] = await hapi.validate(file, release);
    return onlyErrors(issues).map(({ messageId, location, text }) => ({ messageId, location, reason: text }));
  } catch (error) {
    if (error instanceof Error && !error.message.includes('Java ended')) return undefined;
    throw error;
  }
}

const kept: Array<Outcomes['files'][number] & { change: string }> = [];

/** Writes a changed message to a folder that `--folder` reads. */
function keep(
  target: string,
  { name, fhir, content, errors }: { name: string; fhir: FhirRelease; content: string; errors: HapiError[] },
): void {
  const file = `${kept.length}.${content.startsWith('{') ? 'json' : 'xml'}`;
  for (const part of ['examples', 'faults']) mkdirSync(join(target, part), { recursive: true });
  writeFileSync(join(target, 'examples', file), content);
  const issues = errors.map((error) => ({ ...error, severity: 'error' }));
  kept.push({ file, fhir, valid: errors.length === 0, issues, change: name });
  writeFileSync(join(target, 'hapi-outcomes.json'), JSON.stringify({ files: kept }, null, 1));
  writeFileSync(join(target, 'faults', 'faults.json'), JSON.stringify({ faults: [] }));
}

/** At least a third of the changed messages are valid: what HAPI finds valid or not is drawn until both are enough. */
async function compareMutated(hapi: Hapi, from: readonly Base[], count: number, seed: number): Promise<Compared[]> {
  const random = randomFrom(seed);
  const compared: Compared[] = [];
  const wanted = { valid: Math.ceil(count / 3), invalid: count - Math.ceil(count / 3) };
  const work = mkdtempSync(join(tmpdir(), 'mesh-mutants-'));
  try {
    for (let tries = 0; wanted.valid + wanted.invalid > 0 && tries < count * 20; tries += 1) {
      const base = from[random(from.length)];
      const isHarmless = wanted.invalid === 0 || (wanted.valid > 0 && random(2) === 0);
      const mutant = base && mutantOf(base, random, isHarmless);
      if (!mutant) continue;
      const file = join(work, mutant.content.startsWith('{') ? 'mutant.json' : 'mutant.xml');
      writeFileSync(file, mutant.content);
      const errors = await errorsOf(hapi, file, base.fhir);
      if (!errors) continue;
      const verdict = errors.length === 0 ? 'valid' : 'invalid';
      if (wanted[verdict] === 0) continue;
      wanted[verdict] -= 1;
      const name = `${base.name}: ${mutant.kind} at ${mutant.path}`;
      if (options.keep !== undefined) keep(options.keep, { name, fhir: base.fhir, content: mutant.content, errors });
      const outcome = await ours(Buffer.from(mutant.content), base.fhir);
      compared.push(compare('mutated', name, outcome, { valid: verdict === 'valid', errors }));
    }
  } finally {
    rmSync(work, { recursive: true });
  }
  return compared;
}

function report(compared: readonly Compared[]): void {
  for (const set of SETS) {
    const files = compared.filter((each) => each.set === set);
    if (files.length === 0) continue;
    const equal = files.filter(({ isEqual }) => isEqual).length;
    const looked = files.reduce((sum, each) => sum + each.looked, 0);
    const missed = files.reduce((sum, each) => sum + each.missed.length, 0);
    const falseErrors = files.reduce((sum, each) => sum + each.falseErrors.length, 0);
    process.stdout.write(
      `${set}: ${equal} of ${files.length} equal (${((100 * equal) / files.length).toFixed(1)} %), ` +
        `${looked - missed} of ${looked} errors found, ${falseErrors} false errors\n`,
    );
    for (const { file, isEqual, falseErrors: wrong, missed: lost } of files) {
      if (isEqual && wrong.length + lost.length === 0) continue;
      process.stdout.write(`  ${isEqual ? 'same verdict' : 'OTHER VERDICT'}  ${file}\n`);
      for (const text of wrong) process.stdout.write(`    only ours: ${text}\n`);
      for (const text of lost) process.stdout.write(`    missed: ${text}\n`);
    }
  }
}

async function main(): Promise<void> {
  if (!existsSync(join(folder, 'hapi-outcomes.json'))) {
    process.stdout.write(`Skipped: ${folder} has no hapi-outcomes.json.\n\nTests: 0 passed, 0 failed, 1 skipped\n`);
    return;
  }
  const [outcomes, faults] = [read('hapi-outcomes.json') as Outcomes, read('faults/faults.json') as Faults];
  const compared = [...(await comparePublished(outcomes)), ...(await compareSeeded(faults))];
  const count = Number(options.mutations);
  if (count > 0) {
    const hapi = startHapi(sources);
    try {
      compared.push(...(await compareMutated(hapi, bases(outcomes, faults), count, Number(options.seed))));
    } finally {
      hapi.stop();
    }
  }
  if (!options.json || options.verbose) report(compared);
  const sum = (of: (each: Compared) => number): number => compared.reduce((total, each) => total + of(each), 0);
  const result = {
    files: compared.length,
    equal: compared.filter(({ isEqual }) => isEqual).length,
    falseErrors: sum(({ falseErrors }) => falseErrors.length),
    missed: sum(({ missed }) => missed.length),
    ms: Math.round(ms),
  };
  const isGood = result.falseErrors === 0 && SETS.every((set) => isEnough(compared.filter((each) => each.set === set)));
  if (!isGood) process.exitCode = 1;
  const other = result.files - result.equal;
  process.stdout.write(
    options.json
      ? `${JSON.stringify(result)}\n`
      : `\nTests: ${result.equal} passed, ${isGood ? 0 : Math.max(other, 1)} failed, ${isGood ? other : 0} skipped\n`,
  );
}

/** 97 % of the verdicts are equal, and 95 % of the errors are found where they are. */
function isEnough(files: readonly Compared[]): boolean {
  const sum = (of: (each: Compared) => number): number => files.reduce((total, each) => total + of(each), 0);
  return (
    sum(({ isEqual }) => (isEqual ? 1 : 0)) >= 0.97 * files.length &&
    sum(({ missed }) => missed.length) <= 0.05 * sum(({ looked }) => looked)
  );
}

void main();
