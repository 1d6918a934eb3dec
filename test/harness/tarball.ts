/** The tarball that users install: packed, and looked through for what does not belong there and what is missing. */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import manifest from '../../package.json';
import { ROOT } from './node-red';
import { npm, succeeded } from './command';

export interface Tarball {
  path: string;
  /** From the package's root. */
  files: string[];
  /** Packed. */
  bytes: number;
}

/** Packs what has been built into `folder`. */
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

/** What users need, and nothing else. */
const NEEDED: RegExp[] = [
  /^package\.json$/,
  /^(README|CHANGELOG|CONTRIBUTING|SECURITY)\.md$/,
  // Without their pictures, which would treble the tarball.
  /^docs\/[\w/-]+\.(md|html|svg)$/,
  /^LICENSE$/,
  /^dist\/(lib|nodes)\/[\w/.-]+\.(js|js\.map|d\.ts)$/,
  /^dist\/nodes\/[\w-]+\.html$/,
  /^dist\/nodes\/locales\/[\w-]+\/[\w-]+\.(json|html)$/,
  /^dist\/nodes\/icons\/[\w-]+\.svg$/,
  /^icons\/[\w-]+\.svg$/,
  /^resources\/[\w/.-]+\.(js|css|svg)$/,
  /^examples\/[\w/-]+\.json$/,
];

/** Files that no rule allows, built files whose source is gone, and files with what must not leave this machine. */
export function strays(files: readonly string[]): string[] {
  return files.flatMap((file) => {
    if (!NEEDED.some((rule) => rule.test(file))) return [`${file}: nobody needs it`];
    const source = file.replace(/^dist\//, '').replace(/\.(js|js\.map|d\.ts)$/, '.ts');
    if (file.startsWith('dist/') && !existsSync(join(ROOT, sourceOf(source)))) return [`${file}: its source is gone`];
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

/** What the manifest promises and the tarball lacks. */
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
