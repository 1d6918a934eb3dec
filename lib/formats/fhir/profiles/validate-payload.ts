/** Validates a payload as it comes: XML, JSON or an object, by the definitions of its release and the user's profiles. */
import { ConfigurationError, UnreadableError } from '../../../errors';
import { checkSize } from '../../limits';
import type { FhirRelease } from '../definitions';
import { statedRelease } from '../release';
import type { ValidationIssue } from '../validate/types';
import { validate } from '../validate/validate';
import { loadDefinitions, type LoadedDefinitions } from './load';
import type { DefinitionProblem } from './read-definitions';
import { readXml, type ReadXml } from './read-xml';

export interface ValidationRequest {
  payload: string | Uint8Array | Record<string, unknown>;
  release: FhirRelease | 'auto';
  /** Packages, folders and files with definitions. */
  sources: readonly string[];
  /** Changes when the sources have to be read again. */
  generation?: string;
  /** Canonical URLs of profiles that the resource must conform to, beside those that it claims. */
  profiles: readonly string[];
}

export interface ValidationOutcome {
  /** Undefined when the payload is no FHIR. */
  release?: FhirRelease;
  valid: boolean;
  issues: ValidationIssue[];
  /** Definitions that could not be used. */
  problems: readonly DefinitionProblem[];
}

/** Sets of definitions that are kept: two releases of two sets of packages. */
const MAX_KEPT = 4;
const kept = new Map<string, Promise<LoadedDefinitions>>();

/** Returns the definitions of a release with the user's; the last few sets are kept. */
function definitionsFor(release: FhirRelease, sources: readonly string[], generation = ''): Promise<LoadedDefinitions> {
  const key = JSON.stringify([release, sources, generation]);
  const definitions = kept.get(key) ?? load(release, sources);
  // What cannot be read now is read again the next time.
  definitions.catch(() => kept.delete(key));
  // The one used last is the last one.
  kept.delete(key);
  kept.set(key, definitions);
  for (const oldest of kept.keys()) if (kept.size > MAX_KEPT) kept.delete(oldest);
  return definitions;
}

async function load(release: FhirRelease, sources: readonly string[]): Promise<LoadedDefinitions> {
  try {
    return await loadDefinitions(release, sources);
  } catch (error) {
    throw new ConfigurationError(error instanceof Error ? error.message : String(error), {
      cause: error,
      advice: 'Check the paths in mesh fhir profiles, and that Node-RED may read them.',
    });
  }
}

/**
 * Validates a payload. Where nothing in it says which release it has, it is the one with fewer errors; STU3 of equals.
 * A payload that is no FHIR is not valid.
 * @throws ConfigurationError when definitions cannot be read
 */
export async function validatePayload(request: ValidationRequest): Promise<ValidationOutcome> {
  const outcome = await attempt(() => validateReadable(request));
  if (!(outcome instanceof UnreadableError)) return outcome;
  const { message: text, advice = '' } = outcome;
  const issue = { severity: 'error', path: '', element: '', rule: 'unreadable', profile: '', text, advice } as const;
  return { valid: false, issues: [issue], problems: [] };
}

async function validateReadable({ payload, release, ...by }: ValidationRequest): Promise<ValidationOutcome> {
  const input =
    payload instanceof Uint8Array ? Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength) : payload;
  const chosen = release === 'auto' ? releaseOf(input) : release;
  if (chosen !== undefined) return validateAs(input, chosen, by);
  const stu3 = await attempt(() => validateAs(input, 'STU3', by));
  const r4 = await attempt(() => validateAs(input, 'R4', by));
  if (stu3 instanceof UnreadableError) {
    if (r4 instanceof UnreadableError) throw stu3;
    return r4;
  }
  return r4 instanceof UnreadableError || countErrors(stu3) <= countErrors(r4) ? stu3 : r4;
}

async function validateAs(
  payload: string | Buffer | Record<string, unknown>,
  release: FhirRelease,
  { sources, generation, profiles }: Omit<ValidationRequest, 'payload' | 'release'>,
): Promise<ValidationOutcome> {
  const { resource, issues: read } = parse(payload, release);
  const definitions = await definitionsFor(release, sources, generation);
  const issues = [...read, ...validate(resource, definitions, { profiles }).issues];
  return { release, valid: countErrors({ issues }) === 0, issues, problems: [...definitions.problems] };
}

const countErrors = ({ issues }: Pick<ValidationOutcome, 'issues'>): number =>
  issues.filter(({ severity }) => severity === 'error').length;

/** @throws UnreadableError when the payload says that it is of a release that is not supported */
function releaseOf(payload: string | Buffer | Record<string, unknown>): FhirRelease | undefined {
  const text =
    typeof payload === 'string'
      ? payload
      : Buffer.isBuffer(payload)
        ? payload.toString('latin1').replaceAll('\0', '')
        : JSON.stringify(payload);
  const stated = statedRelease(text);
  if (stated === undefined || stated === 'STU3' || stated === 'R4') return stated;
  throw new UnreadableError(`The resource is FHIR ${stated}, which is not supported here: STU3 and R4 are.`);
}

async function attempt<Result>(work: () => Promise<Result>): Promise<Result | UnreadableError> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof UnreadableError) return error;
    throw error;
  }
}

function parse(
  payload: string | Buffer | Record<string, unknown>,
  release: FhirRelease,
): ReadXml | { resource: unknown; issues: [] } {
  if (typeof payload !== 'string' && !Buffer.isBuffer(payload)) return { resource: payload, issues: [] };
  checkSize(payload, 'FHIR');
  if (!/^\uFEFF?\s*\{/.test(payload.slice(0, 1000).toString())) return readXml(payload, release);
  try {
    return { resource: JSON.parse(payload.toString().replace(/^\uFEFF/, '')) as unknown, issues: [] };
  } catch (error) {
    throw new UnreadableError('The payload is not well-formed JSON.', { cause: error });
  }
}
