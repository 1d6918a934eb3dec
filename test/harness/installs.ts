/**
 * The tarball installed as a user does it: into Node-RED's user folder, in a path with spaces, by a user who is not root,
 * with no script of any package run. Then Node-RED is started, has to load every node, and to carry a message.
 */
import { chown, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createRequire } from 'node:module';
import manifest from '../../package.json';
import { exampleFlows, NODE_RED_PACKAGES, RealNodeRed, type NodeRedMajor } from './node-red';
import { npm, succeeded } from './command';

/** The oldest that package.json allows, and the newest 24. */
const NODE_JS = [manifest.engines.node.replace('>=', ''), '24'];
const MAJORS: NodeRedMajor[] = ['4', '5'];
const QUIET = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'];
const NOBODY = 65534;

/** Tries every Node-RED on every Node.js, in `folder`; one line for each. */
export async function tryInstalls(tarball: string, folder: string): Promise<string[]> {
  const user: User = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  const home = await ownFolder(join(folder, 'home'), user);
  const lines: string[] = [];
  for (const major of MAJORS) {
    const red = await installedNodeRed(major, join(folder, `node red ${major}`));
    for (const version of NODE_JS) {
      const node = await nodeJs(version, join(folder, `node ${version}`));
      const userDir = await ownFolder(join(folder, `user ${major} ${version}`), user);
      const project = join(userDir, 'package.json');
      await writeFile(project, '{"name":"node-red-project","version":"0.0.1","private":true}');
      await give(project, user);
      const as = { node, ...user, env: npmHome(home) };
      succeeded(await npm(['install', ...QUIET, tarball], { cwd: userDir, ...as }), 'npm install of the tarball');
      lines.push(await tryOne({ major, userDir, red, node, home, ...user }));
    }
  }
  return lines;
}

/** npm's own files in the user's home: those of who runs this may not be readable. */
function npmHome(home: string): NodeJS.ProcessEnv {
  const files = { npm_config_userconfig: join(home, '.npmrc'), npm_config_cache: join(home, '.npm') };
  return { ...process.env, ...files, HOME: home };
}

interface Trial extends User {
  major: NodeRedMajor;
  userDir: string;
  red: string;
  node: string;
  home: string;
}

async function tryOne({ major, userDir, home, ...program }: Trial): Promise<string> {
  const flows = exampleFlows('first-message');
  const nodeRed = await RealNodeRed.start({ major, userDir, flows, program, installed: true, env: { HOME: home } });
  try {
    const lost = await notLoaded(nodeRed);
    if (lost.length > 0) throw new Error(`Node-RED ${major}: not loaded: ${lost.join(', ')}`);
    await nodeRed.inject('fm-hl7');
    await nodeRed.debug('fm-sent', 60_000);
    const log = nodeRed.log();
    if (log.includes('[error]')) throw new Error(`Node-RED ${major}: errors in the log:\n${log.slice(-3000)}`);
    const { uid } = await stat(join(userDir, 'mesh'));
    const [, nodeJsIs = '?'] = /Node\.js\s+version: (v\S+)/.exec(log) ?? [];
    const [, nodeRedIs = '?'] = /Node-RED version: (v\S+)/.exec(log) ?? [];
    return `Node-RED ${nodeRedIs} on Node.js ${nodeJsIs}, user ${uid}: every node loads, a message is sent`;
  } finally {
    await nodeRed.stop();
  }
}

/** The way of docs/first-steps.md: uploaded in the editor's palette manager, and there without a restart. */
export async function tryUpload(tarball: string, folder: string): Promise<string> {
  const userDir = await ownFolder(join(folder, 'user of the editor'), {});
  await writeFile(join(userDir, 'package.json'), '{"name":"node-red-project","version":"0.0.1","private":true}');
  const nodeRed = await RealNodeRed.start({ userDir, installed: true, flows: [] });
  try {
    const form = new FormData();
    form.append('tarball', new Blob([await readFile(tarball)]), basename(tarball));
    const response = await fetch(`${nodeRed.url}/nodes`, { method: 'POST', body: form });
    if (!response.ok) throw new Error(`The upload was answered ${response.status}:\n${nodeRed.log().slice(-2000)}`);
    const lost = await notLoaded(nodeRed);
    if (lost.length > 0) throw new Error(`not loaded after the upload: ${lost.join(', ')}`);
    return 'every node loads without a restart';
  } finally {
    await nodeRed.stop();
  }
}

/** The types of ours that this Node-RED has not loaded without an error. */
export async function notLoaded(nodeRed: RealNodeRed): Promise<string[]> {
  const response = await fetch(`${nodeRed.url}/nodes`, { headers: { accept: 'application/json' } });
  const sets = (await response.json()) as Array<{ module: string; types: string[]; enabled: boolean; err?: string }>;
  const loaded = sets.filter((set) => set.module === manifest.name && set.enabled && !set.err);
  const types = new Set(loaded.flatMap((set) => set.types));
  return Object.keys(manifest['node-red'].nodes).filter((type) => !types.has(type));
}

/** The same Node-RED as the tests have, where the other user can read it; its red.js. */
async function installedNodeRed(major: NodeRedMajor, folder: string): Promise<string> {
  const require = createRequire(__filename);
  const { version } = require(`${NODE_RED_PACKAGES[major]}/package.json`) as { version: string };
  await mkdir(folder);
  const wanted = ['install', ...QUIET, '--no-save', `node-red@${version}`];
  succeeded(await npm(wanted, { cwd: folder }), `npm install of node-red ${version}`);
  return join(folder, 'node_modules', 'node-red', 'red.js');
}

/** A Node.js of that major version; its executable. The package `node` itself would need its install script. */
async function nodeJs(major: string, folder: string): Promise<string> {
  const bin = join(folder, 'bin');
  if (await stat(bin).catch(() => undefined)) return executable(folder);
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  const prefix = platform === 'darwin' && process.arch === 'arm64' ? 'node-bin' : 'node';
  await mkdir(bin, { recursive: true });
  const wanted = ['install', ...QUIET, '--no-save', `${prefix}-${platform}-${process.arch}@${major}`];
  succeeded(await npm(wanted, { cwd: folder }), `npm install of Node.js ${major}`);
  return executable(folder);
}

async function executable(folder: string): Promise<string> {
  const packages = await readdir(join(folder, 'node_modules'));
  const name = packages.find((entry) => entry.startsWith('node-')) ?? '';
  const bin = join(folder, 'node_modules', name, 'bin');
  return join(bin, process.platform === 'win32' ? 'node.exe' : 'node');
}

async function ownFolder(path: string, user: User): Promise<string> {
  await mkdir(path);
  await give(path, user);
  return path;
}

async function give(path: string, { uid, gid }: User): Promise<void> {
  if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
}

/** Empty where this process is not root: it then tries as itself. */
interface User {
  uid?: number;
  gid?: number;
}
