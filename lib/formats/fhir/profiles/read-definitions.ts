/** Finds definitions in FHIR packages, folders and files, and notes where each one is; it is parsed when it is needed. */
import { createReadStream, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { openTarGz, type ArchiveLimits } from '../../archive/tar-gz';
import { wholeOf } from '../../csv/split';
import type { FhirRelease } from '../definitions';
import { fhirXmlToObject } from '../from-xml';
import type { Json } from './normal';

const KINDS = ['StructureDefinition', 'ValueSet', 'CodeSystem'] as const;
export type DefinitionKind = (typeof KINDS)[number];

/** A definition that was found. */
export interface FoundDefinition {
  kind: DefinitionKind;
  /** Canonical URL. */
  url: string;
  version: string | undefined;
  /** For errors: the file, and its name in the package. */
  file: string;
  /** Parses it. @throws Error that says what is wrong with it */
  read(): Json;
}

/** Undefined for a file that is no definition. */
type InFile = FoundDefinition | typeof OF_ANOTHER_RELEASE | undefined;

/** A file that is not used, and why. */
export interface DefinitionProblem {
  file: string;
  text: string;
}

/** Largest definition (bytes). The largest of the NHS has 3 MB. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;
const MAX_FILES = 20_000;
/** Largest package, compressed (bytes). HL7's own for R4 has 5 MB. */
const MAX_PACKAGE_BYTES = 64 * 1024 * 1024;
/** What a package may be, expanded: definitions shrink to about a twentieth. Links and devices hold none. */
const PACKAGE: ArchiveLimits = { files: MAX_FILES, bytes: 512 * 1024 * 1024, links: 'skip' };
/** What is found for a definition or a package of another release. */
const OF_ANOTHER_RELEASE = 'of another release';
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * Finds the definitions of a release in a package (`.tgz`, `.tar.gz`), a folder at any depth, or a file (XML or JSON,
 * `.gz` or not). Definitions that say they are of another release are left out.
 * @throws Error that names the path and the cause, when nothing can be read there
 */
export async function findDefinitions(
  path: string,
  release: FhirRelease,
): Promise<{ found: FoundDefinition[]; problems: DefinitionProblem[] }> {
  const found: FoundDefinition[] = [];
  const problems: DefinitionProblem[] = [];
  let ofOtherReleases = 0;
  const add = (file: string, bytes: () => Buffer): void => {
    try {
      const definition = definitionIn(file, bytes(), release);
      if (definition === OF_ANOTHER_RELEASE) ofOtherReleases += 1;
      else if (definition) found.push(definition);
    } catch (error) {
      problems.push({ file, text: reasonOf(error) });
    }
  };
  for (const file of filesAt(path)) {
    if (!/\.(tgz|tar\.gz)$/i.test(file)) {
      add(file, () => contentOf(file));
      continue;
    }
    try {
      const packaged = await definitionsIn(file, release);
      if (packaged === OF_ANOTHER_RELEASE) ofOtherReleases += 1;
      else for (const { name, bytes } of packaged) add(`${file}: ${name}`, () => bytes);
    } catch (error) {
      problems.push({ file, text: reasonOf(error) });
    }
  }
  if (found.length + problems.length + ofOtherReleases === 0) {
    throw new Error(`${path} has no FHIR definitions (StructureDefinition, ValueSet or CodeSystem).`);
  }
  if (found.length + ofOtherReleases === 0 && problems[0])
    throw new Error(`${problems[0].file} cannot be used: ${problems[0].text}`);
  return { found, problems };
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Returns a file, or the files of a folder that can be definitions or packages, in the order of their names. */
function filesAt(path: string): string[] {
  let isFolder;
  try {
    isFolder = statSync(path).isDirectory();
  } catch (error) {
    throw new Error(`${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'error'}).`, { cause: error });
  }
  if (!isFolder) return [path];
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' });
  if (names.length > MAX_FILES) throw new Error(`${path} has more than ${MAX_FILES} files.`);
  return names
    .filter((name) => /\.(xml|json)(\.gz)?$|\.(tgz|tar\.gz)$/i.test(name))
    .filter((name) => !/(^|[\\/])(package|\.index|index)\.json(\.gz)?$/i.test(name))
    .sort()
    .map((name) => join(path, name));
}

function contentOf(file: string): Buffer {
  if (statSync(file).size > MAX_FILE_BYTES) throw new Error(`It is larger than ${MAX_FILE_BYTES / 1024 / 1024} MiB.`);
  const bytes = readFileSync(file);
  return /\.gz$/i.test(file) ? gunzipSync(bytes, { maxOutputLength: MAX_FILE_BYTES }) : bytes;
}

/** A file of a package (https://confluence.hl7.org/display/FHIR/NPM+Package+Specification). */
interface PackagedFile {
  /** As in the package: `package/StructureDefinition-UKCore-Patient.json`. */
  name: string;
  bytes: Buffer;
}

/** Returns the files of a package that can be definitions, unless the package says that it is of another release. */
async function definitionsIn(file: string, release: FhirRelease): Promise<PackagedFile[] | typeof OF_ANOTHER_RELEASE> {
  const { size } = statSync(file);
  if (size > MAX_PACKAGE_BYTES) throw new Error(`It is larger than ${MAX_PACKAGE_BYTES / 1024 / 1024} MiB.`);
  const source = { size, open: (): AsyncIterable<Buffer> => createReadStream(file) };
  const definitions: PackagedFile[] = [];
  for await (const { name, pieces } of openTarGz(source, PACKAGE)) {
    if (/^[^/]*\/?package\.json$/.test(name)) {
      const manifest = JSON.parse((await wholeOf(pieces())).toString('utf8')) as Json;
      if (isOfAnother(manifest, release)) return OF_ANOTHER_RELEASE;
    } else if (canBeDefinition(name)) {
      definitions.push({ name, bytes: await wholeOf(pieces()) });
    }
  }
  return definitions;
}

const canBeDefinition = (name: string): boolean =>
  /\.(xml|json)$/i.test(name) &&
  !/(^|\/)(package|\.index)\.json$/i.test(name) &&
  // Packages keep examples and what npm does not know in folders of their own.
  !/(^|\/)(examples?|other|openapi|xml)\//i.test(name);

/** Package manifests have their releases under one of two names. */
function isOfAnother(manifest: Json, release: FhirRelease): boolean {
  const versions = [manifest['fhirVersions'], manifest['fhir-version-list']].find((list) => Array.isArray(list));
  return Array.isArray(versions) && !versions.some((version) => isOfRelease(String(version), release));
}

/** Early files of the NHS have odd versions (`1.0.0`): they are taken for STU3, which their elements are. */
const isOfRelease = (version: string | undefined, release: FhirRelease): boolean =>
  version === undefined || (release === 'R4' ? version.startsWith('4.0') : !/^[4-9]/.test(version));

function definitionIn(file: string, bytes: Buffer, release: FhirRelease): InFile {
  const isMarked = bytes.subarray(0, 3).equals(BYTE_ORDER_MARK);
  const content = isMarked ? bytes.subarray(3) : bytes;
  if (/^\s*\{/.test(content.toString('latin1', 0, 100)))
    return definitionInJson(file, content.toString('utf8'), release);
  // As Latin-1 each byte is a character: half the memory, and what is kept has the bytes that it had.
  return definitionInXml(file, content.toString('latin1'), release);
}

function definitionInJson(file: string, text: string, release: FhirRelease): InFile {
  const resource = JSON.parse(text) as Json;
  const { resourceType, url, version, fhirVersion } = resource;
  const kind = KINDS.find((each) => each === resourceType);
  if (!kind) return undefined;
  if (!isOfRelease(typeof fhirVersion === 'string' ? fhirVersion : undefined, release)) return OF_ANOTHER_RELEASE;
  if (typeof url !== 'string') throw new Error('It has no url.');
  // Narrative and the differential beside a snapshot are most of a file, and are not needed.
  const { text: _, differential, ...rest } = resource;
  const kept = Buffer.from(JSON.stringify(rest['snapshot'] === undefined ? { ...rest, differential } : rest));
  return {
    kind,
    url,
    version: typeof version === 'string' ? version : undefined,
    file,
    read: () => JSON.parse(kept.toString('utf8')) as Json,
  };
}

function definitionInXml(file: string, text: string, release: FhirRelease): InFile {
  const root = /<(?![?!])([\w.-]+:)?(\w+)/.exec(text)?.[2];
  const kind = KINDS.find((each) => each === root);
  if (!kind) {
    if (root === undefined) throw new Error('It is neither XML nor JSON.');
    return undefined;
  }
  const kept = Buffer.from(withoutProse(text), 'latin1');
  const head = kept.toString('utf8', 0, 4096);
  const value = (name: string): string | undefined =>
    new RegExp(`<(?:\\w+:)?${name}\\s+value\\s*=\\s*["']([^"']*)["']`).exec(head)?.[1]?.replaceAll('&amp;', '&');
  if (!isOfRelease(kind === 'StructureDefinition' ? value('fhirVersion') : undefined, release))
    return OF_ANOTHER_RELEASE;
  const url = value('url');
  if (url === undefined) throw new Error('It has no url.');
  return { kind, url, version: value('version'), file, read: () => fhirXmlToObject(kept, { release }) };
}

/** Elements that only people read, or that say again what a snapshot has: nine tenths of a profile in XML. */
const PROSE = [
  /<(text|contained|mapping|contact|useContext|jurisdiction|example)>[\s\S]*?<\/\1>/g,
  /<(definition|comments?|requirements|short|alias|meaningWhenMissing|purpose|copyright|label|isSummary|isModifier|isModifierReason|mustSupport|orderMeaning|condition|description|publisher)\s+value="[^"]*"\s*\/>/g,
  />\s+</g,
  // An invariant in FHIRPath needs none in XPath.
  /(<expression value="[^"]*"\s*\/>)<xpath value="[^"]*"\s*\/>/g,
] as const;

/**
 * Returns a definition without its prose, as text: parsing what is left takes a tenth of the time. No attribute can have
 * a `<` in it, so each expression finds elements only.
 */
function withoutProse(xml: string): string {
  const [blocks, values, spaces, xpath] = PROSE;
  const plain = /<snapshot>/.test(xml) ? xml.replace(/<differential>[\s\S]*?<\/differential>/, '') : xml;
  return plain.replaceAll(blocks, '').replaceAll(values, '').replaceAll(spaces, '><').replaceAll(xpath, '$1');
}
