/** Packs the tarball that users install, and checks it for stray and missing files. */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import manifest from '../../package.json';
import { ROOT } from './node-red';
import { npm, succeeded } from './command';

export interface Tarball {
  path: string;
  /** Paths from the package's root. */
  files: string[];
  /** Size of the packed file. */
  bytes: number;
}

/** Packs the built package into `folder`. */
export async function pack(folder: string): Promise<Tarball> {
  const output = succeeded(await npm(['pack', '--ignore-scripts', '--json', '--pack-destination', folder]), 'npm pack');
  const [packed] = Object.values(JSON.parse(output) as Packed[]);
  if (packed === undefined) throw new Error('npm pack named no tarball');
  return {
    path: join(folder, packed.filename),
    files: packed.files.map((file) => file.path).sort(),
    bytes: packed.size,
  };
}

interface Packed {
  filename: string;
  size: number;
  files: Array<{ path: string }>;
}

/** The files that users need. */
const NEEDED: RegExp[] = [
  /^package\.json$/,
  /^(README|CHANGELOG|CONTRIBUTING|SECURITY)\.md$/,
  // Without pictures, which would treble the size of the tarball.
  /^docs\/[\w/-]+\.(md|html|svg)$/,
  /^LICENSE$/,
  /^dist\/(lib|nodes)\/[\w/.-]+\.(js|js\.map|d\.ts)$/,
  /^dist\/lib\/formats\/fhir\/profiles\/base-\w+\.gz$/,
  /^dist\/lib\/mapping\/maps\/[\w/-]+\.csv$/,
  /^dist\/nodes\/[\w-]+\.html$/,
  /^dist\/nodes\/locales\/[\w-]+\/[\w-]+\.(json|html)$/,
  /^dist\/nodes\/icons\/[\w-]+\.svg$/,
  /^icons\/[\w-]+\.svg$/,
  /^resources\/[\w/.-]+\.(js|css|svg)$/,
  /^examples\/[\w/-]+\.json$/,
];

/**
 * Returns the files that no rule allows, built files whose source no longer exists, and files with secrets or local
 * paths.
 */
export function strays(files: readonly string[]): string[] {
  return files.flatMap((file) => {
    if (!NEEDED.some((rule) => rule.test(file))) return [`${file}: not needed by users`];
    const source = file.replace(/^dist\//, '').replace(/\.(js|js\.map|d\.ts)$/, '.ts');
    if (file.startsWith('dist/') && !existsSync(join(ROOT, sourceOf(source))))
      return [`${file}: its source no longer exists`];
    const found = SECRETS.find(([, pattern]) => pattern.test(readFileSync(join(ROOT, file), 'utf8')));
    return found ? [`${file}: ${found[0]}`] : [];
  });
}

const sourceOf = (file: string): string => file.replace(/^nodes\/icons\//, 'icons/');

const SECRETS: Array<[string, RegExp]> = [
  ['a private key', /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s*(?:\\n)?[A-Za-z0-9+/=]{20}/],
  ['a path of this machine', new RegExp(`${escaped(ROOT)}|${escaped(homedir().length > 1 ? homedir() : ROOT)}/`)],
];

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** Returns the files that the manifest promises and the tarball lacks. */
export function missing(files: readonly string[]): string[] {
  const nodes = Object.values(manifest['node-red'].nodes);
  const promised = [
    manifest.main,
    manifest.types,
    ...Object.values(manifest.bin),
    ...Object.values(manifest.exports).flatMap((entry) => (typeof entry === 'string' ? [entry] : Object.values(entry))),
    ...nodes,
    ...nodes.map((file) => file.replace(/\.js$/, '.html')),
    'README.md',
    'docs/README.md',
    'docs/first-steps.md',
    'docs/conformance-evidence.html',
    'CHANGELOG.md',
    'CONTRIBUTING.md',
    'LICENSE',
    'SECURITY.md',
  ].map((file) => file.replace(/^\.\//, ''));
  return [...new Set(promised)].filter((file) => !files.includes(file));
}
