/**
 * Installs the tarball as a user does: into Node-RED's user folder, in a path with spaces, as a user other than root,
 * without any package's install scripts. Then Node-RED must start, load every node and send a message.
 */
import { chown, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createRequire } from 'node:module';
import manifest from '../../package.json';
import { exampleFlows, NODE_RED_PACKAGES, RealNodeRed, type NodeRedMajor } from './node-red';
import { npm, succeeded } from './command';

/** The oldest version that package.json allows, and the newest 24. */
const NODE_JS = [manifest.engines.node.replace('>=', ''), '24'];
const MAJORS: NodeRedMajor[] = ['4', '5'];
const QUIET = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'];
const NOBODY = 65534;

/** Tries every Node-RED on every Node.js, in `folder`, and returns a line for each. */
export async function tryInstalls(tarball: string, folder: string): Promise<string[]> {
  const user: User = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  const home = await ownFolder(join(folder, 'home'), user);
  const lines: string[] = [];
  for (const major of MAJORS) {
    const red = await installedNodeRed(major, join(folder, `node red ${major}`));
    for (const version of NODE_JS) {
      const node = await nodeJs(version, join(folder, `node ${version}`));
      const userDir = await ownFolder(join(folder, `user ${major} ${version}`), user);
      await giveTo(await writeProject(userDir), user);
      const as = { node, ...user, env: npmHome(home) };
      succeeded(await npm(['install', ...QUIET, tarball], { cwd: userDir, ...as }), 'npm install of the tarball');
      lines.push(await tryOne({ major, userDir, red, node, home, ...user }));
    }
  }
  return lines;
}

/** Puts npm's files into the user's home: those of the user who runs this may not be readable. */
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
    const notThere = await notLoaded(nodeRed);
    if (notThere.length > 0) throw new Error(`Node-RED ${major}: not loaded: ${notThere.join(', ')}`);
    await nodeRed.inject('fm-hl7');
    await nodeRed.debug('fm-sent', 60_000);
    const log = nodeRed.log();
    if (log.includes('[error]')) throw new Error(`Node-RED ${major}: errors in the log:\n${log.slice(-3000)}`);
    const { uid } = await stat(join(userDir, 'mesh'));
    const [, nodeJsVersion = '?'] = /Node\.js\s+version: (v\S+)/.exec(log) ?? [];
    const [, nodeRedVersion = '?'] = /Node-RED version: (v\S+)/.exec(log) ?? [];
    return `Node-RED ${nodeRedVersion} on Node.js ${nodeJsVersion}, user ${uid}: every node loads, a message is sent`;
  } finally {
    await nodeRed.stop();
  }
}

/** Uploads the tarball as docs/first-steps.md says, in the palette manager: the nodes are there without a restart. */
export async function tryUpload(tarball: string, folder: string): Promise<string> {
  const userDir = await ownFolder(join(folder, 'user of the editor'), {});
  await writeProject(userDir);
  const nodeRed = await RealNodeRed.start({ userDir, installed: true, flows: [] });
  try {
    const form = new FormData();
    form.append('tarball', new Blob([await readFile(tarball)]), basename(tarball));
    const response = await fetch(`${nodeRed.url}/nodes`, { method: 'POST', body: form });
    if (!response.ok)
      throw new Error(`The response to the upload was ${response.status}:\n${nodeRed.log().slice(-2000)}`);
    const notThere = await notLoaded(nodeRed);
    if (notThere.length > 0) throw new Error(`not loaded after the upload: ${notThere.join(', ')}`);
    return 'every node loads without a restart';
  } finally {
    await nodeRed.stop();
  }
}

/** Returns our node types that this Node-RED has not loaded, or has loaded with an error. */
export async function notLoaded(nodeRed: RealNodeRed): Promise<string[]> {
  const response = await fetch(`${nodeRed.url}/nodes`, { headers: { accept: 'application/json' } });
  const sets = (await response.json()) as Array<{ module: string; types: string[]; enabled: boolean; err?: string }>;
  const loaded = sets.filter((set) => set.module === manifest.name && set.enabled && !set.err);
  const types = new Set(loaded.flatMap((set) => set.types));
  return Object.keys(manifest['node-red'].nodes).filter((type) => !types.has(type));
}

/** Installs the Node-RED that the tests use where the other user can read it, and returns the path of its red.js. */
async function installedNodeRed(major: NodeRedMajor, folder: string): Promise<string> {
  const require = createRequire(__filename);
  const { version } = require(`${NODE_RED_PACKAGES[major]}/package.json`) as { version: string };
  await mkdir(folder);
  const install = ['install', ...QUIET, '--no-save', `node-red@${version}`];
  succeeded(await npm(install, { cwd: folder }), `npm install of node-red ${version}`);
  return join(folder, 'node_modules', 'node-red', 'red.js');
}

/**
 * Installs a Node.js and returns the path of its executable. The npm package `node` itself would need its install
 * script.
 */
async function nodeJs(version: string, folder: string): Promise<string> {
  const bin = join(folder, 'bin');
  if (await stat(bin).catch(() => undefined)) return executable(folder);
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  const prefix = platform === 'darwin' && process.arch === 'arm64' ? 'node-bin' : 'node';
  await mkdir(bin, { recursive: true });
  const install = ['install', ...QUIET, '--no-save', `${prefix}-${platform}-${process.arch}@${version}`];
  succeeded(await npm(install, { cwd: folder }), `npm install of Node.js ${version}`);
  return executable(folder);
}

async function executable(folder: string): Promise<string> {
  const packages = await readdir(join(folder, 'node_modules'));
  const name = packages.find((entry) => entry.startsWith('node-')) ?? '';
  const bin = join(folder, 'node_modules', name, 'bin');
  return join(bin, process.platform === 'win32' ? 'node.exe' : 'node');
}

/** Makes a user folder an npm project, as Node-RED does, and returns the path of its package.json. */
export async function writeProject(userDir: string): Promise<string> {
  const project = join(userDir, 'package.json');
  await writeFile(project, '{"name":"node-red-project","version":"0.0.1","private":true}');
  return project;
}

async function ownFolder(path: string, user: User): Promise<string> {
  await mkdir(path);
  await giveTo(path, user);
  return path;
}

async function giveTo(path: string, { uid, gid }: User): Promise<void> {
  if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
}

/** Empty if this process is not root: it then uses its own user. */
interface User {
  uid?: number;
  gid?: number;
}
