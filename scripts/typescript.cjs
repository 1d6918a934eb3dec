/**
 * Loads TypeScript as CommonJS (`--require`), for the tests and the worker threads and processes that they start: a
 * module takes half the time that it takes with tsx, which resolves each import by itself. Node.js finds `.ts` files as
 * it finds `.js` files; esbuild, as in tsx, turns each into JavaScript once and for all.
 */
'use strict';
const { createHash } = require('node:crypto');
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require('node:fs');
const { _extensions: loaders } = require('node:module');
const path = require('node:path');
const { isMainThread, threadId } = require('node:worker_threads');

const CACHE = path.join(__dirname, '..', 'node_modules', '.cache', 'typescript');

const RESOURCES = path.join(__dirname, '..', 'resources', path.sep);

/** Part of a cached file's name: raise it when what is below changes. */
const VERSION = 1;

// A thread that lives for a test takes longer to read the maps than to do its work.
if (isMainThread) process.setSourceMapsEnabled(true);

loaders['.ts'] = load;

// The modules of the browser, which some tests load: they are of another kind than the package's other `.js` files.
const loadJavaScript = loaders['.js'];
loaders['.js'] = (module, file) => (file.startsWith(RESOURCES) ? load : loadJavaScript)(module, file);

function load(module, file) {
  const source = readFileSync(file);
  const name = path.basename(file);
  const key = createHash('sha256').update(`${VERSION} ${name}\n`).update(source).digest('hex');
  const cached = path.join(CACHE, `${key}.cjs`);
  let code = readIfThere(cached);
  if (code === undefined) {
    code = toJavaScript(source, name);
    mkdirSync(CACHE, { recursive: true });
    // Renamed when whole: other processes read it at any time.
    const begun = `${cached}.${process.pid}.${threadId}`;
    writeFileSync(begun, code);
    renameSync(begun, cached);
  }
  module._compile(code, file);
}

function readIfThere(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function toJavaScript(source, name) {
  const { code } = require('esbuild').transformSync(source, {
    loader: 'ts',
    format: 'cjs',
    platform: 'node',
    target: 'node22.19',
    sourcefile: name,
    sourcemap: 'inline',
    sourcesContent: false,
    tsconfigRaw: { compilerOptions: { strict: true, useDefineForClassFields: true } },
    // Node.js itself would look for a path without its extension in vain.
    supported: { 'dynamic-import': false },
  });
  return code;
}
