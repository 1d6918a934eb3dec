/** Imports point one way (docs/design.md, The house). */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const ROOT = join(__dirname, '..', '..');

/** Returns every file in a folder and its subfolders, as a path from the root with slashes. */
function filesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).replaceAll('\\', '/'));
}

const text = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const sources = [...filesIn('lib'), ...filesIn('nodes')].filter((file) => file.endsWith('.ts'));
const tools = [...filesIn('test'), ...filesIn('scripts'), ...filesIn('bench')].filter((file) => file.endsWith('.ts'));
const all = new Set([...sources, ...tools]);

/** Returns the modules that a file imports, re-exports or requires: packages by name, files as paths from the root. */
function importsOf(file: string): string[] {
  const found = text(file).matchAll(
    /^(?:import|export)\s[^;'"]*?from\s*'([^']+)'|^import\s*'([^']+)'|\b(?:import|require)\('([^']+)'\)/gm,
  );
  return [...found]
    .map(([, ...groups]) => groups.find(Boolean) ?? '')
    .map((name) => (name.startsWith('.') ? resolved(file, name) : name));
}

function resolved(file: string, name: string): string {
  const path = join(dirname(file), name).replaceAll('\\', '/');
  const target = [`${path}.ts`, `${path}/index.ts`, path].find((candidate) => all.has(candidate));
  return target ?? `${path} (no such file)`;
}

const imports = new Map([...sources, ...tools].map((file) => [file, importsOf(file)]));

/** Returns the imports that are not allowed, for each file in `folder`, as `file: import`. */
function forbiddenImports(folder: string, allowed: (name: string, file: string) => boolean): string[] {
  return sources
    .filter((file) => file.startsWith(folder))
    .flatMap((file) =>
      (imports.get(file) ?? []).filter((name) => !allowed(name, file)).map((name) => `${file}: ${name}`),
    );
}

const below = (name: string, ...folders: string[]): boolean =>
  folders.some((folder) => name.startsWith(`lib/${folder}/`));
const shared = (name: string): boolean => ['lib/errors.ts', 'lib/types.ts'].includes(name);
/** Seams between this pack and the machine, which a simulation replaces (lib/clock.ts). */
const machine = (name: string): boolean => ['lib/clock.ts', 'lib/files.ts', 'lib/random.ts'].includes(name);
const packages = (name: string): boolean => !name.startsWith('lib/') && !name.startsWith('nodes/');

describe('imports', () => {
  it('are found', () => {
    assert.ok(sources.length > 50);
    assert.ok(imports.get('lib/mailbox.ts')?.includes('lib/client/client.ts'));
    assert.ok(imports.get('lib/index.ts')?.includes('lib/errors.ts'));
    assert.deepEqual(
      forbiddenImports('', (name) => !name.includes('(no such file)') || /\.(json|c?js) /.test(name)),
      [],
    );
  });

  it('of protocol are only zod, node:crypto, errors, types and protocol', () =>
    assert.deepEqual(
      forbiddenImports(
        'lib/protocol/',
        (name) => ['zod', 'node:crypto'].includes(name) || shared(name) || below(name, 'protocol'),
      ),
      [],
    ));

  it('of errors and types are only each other', () =>
    assert.deepEqual([...forbiddenImports('lib/errors.ts', shared), ...forbiddenImports('lib/types.ts', shared)], []));

  it('of the sandbox are protocol, errors and types, never client code', () =>
    assert.deepEqual(
      forbiddenImports(
        'lib/sandbox/',
        (name) =>
          shared(name) ||
          below(name, 'sandbox', 'protocol') ||
          name.startsWith('node:') ||
          ['zod', '@peculiar/x509', 'reflect-metadata'].includes(name),
      ),
      [],
    ));

  it('of the sandbox occur in lib only in the sandbox itself, the command line and the flow tests, which start one', () =>
    assert.deepEqual(
      forbiddenImports('lib/', (name, file) => !below(name, 'sandbox') || below(file, 'sandbox', 'cli', 'flow-tests')),
      [],
    ));

  it('of payload are never client, send or receive', () =>
    assert.deepEqual(
      forbiddenImports(
        'lib/payload/',
        (name) => packages(name) || shared(name) || machine(name) || below(name, 'payload', 'protocol', 'store'),
      ),
      [],
    ));

  it('of the store are never client, send, receive, protocol or sandbox', () =>
    assert.deepEqual(
      forbiddenImports('lib/store/', (name) => !below(name, 'client', 'send', 'receive', 'protocol', 'sandbox')),
      [],
    ));

  it('of the client are never send or receive', () =>
    assert.deepEqual(
      forbiddenImports('lib/client/', (name) => !below(name, 'send', 'receive')),
      [],
    ));

  it('of receive are never send, and of send never receive', () => {
    assert.deepEqual(
      forbiddenImports('lib/receive/', (name) => !below(name, 'send')),
      [],
    );
    assert.deepEqual(
      forbiddenImports('lib/send/', (name) => !below(name, 'receive')),
      [],
    );
  });

  it('of check are never payload, store, send or receive, because it leaves nothing behind', () =>
    assert.deepEqual(
      forbiddenImports('lib/check/', (name) => !below(name, 'payload', 'store', 'send', 'receive')),
      [],
    ));

  it('of conformance are only Node.js, conformance and the library’s index, because it tests what users get', () =>
    assert.deepEqual(
      forbiddenImports(
        'lib/conformance/',
        (name) => name.startsWith('node:') || name === 'lib/index.ts' || below(name, 'conformance'),
      ),
      [],
    ));

  it('of the command line occur only in the command line', () =>
    assert.deepEqual(
      forbiddenImports('', (name, file) => !below(name, 'cli') || below(file, 'cli')),
      [],
    ));

  it('of mllp are only Node.js, errors, formats and mllp: it knows nothing of MESH', () =>
    assert.deepEqual(
      forbiddenImports(
        'lib/mllp/',
        (name) => name.startsWith('node:') || name === 'lib/errors.ts' || below(name, 'mllp', 'formats'),
      ),
      [],
    ));

  it('of formats are only Node.js, errors, formats and the libraries that parse: they know nothing of MESH', () =>
    assert.deepEqual(
      forbiddenImports(
        'lib/formats/',
        (name) =>
          ['saxes', 'csv-parse', 'modern-tar', 'zod'].includes(name) ||
          name.startsWith('node:') ||
          name === 'lib/errors.ts' ||
          below(name, 'formats'),
      ),
      [],
    ));

  it('of acks are only Node.js, zod, errors, types, formats, letters, protocol and acks', () =>
    assert.deepEqual(
      forbiddenImports(
        'lib/acks/',
        (name) =>
          name === 'zod' ||
          name.startsWith('node:') ||
          shared(name) ||
          below(name, 'acks', 'formats', 'letters', 'protocol'),
      ),
      [],
    ));

  it('of letters are only Node.js, uuid, zod, errors, formats and letters: they know nothing of MESH', () =>
    assert.deepEqual(
      forbiddenImports(
        'lib/letters/',
        (name) =>
          ['uuid', 'zod'].includes(name) ||
          name.startsWith('node:') ||
          shared(name) ||
          below(name, 'letters', 'formats'),
      ),
      [],
    ));

  it('of mapping are only Node.js, zod, csv-parse, errors, formats and mapping: they know nothing of MESH', () =>
    assert.deepEqual(
      forbiddenImports(
        'lib/mapping/',
        (name) =>
          ['zod', 'csv-parse/sync'].includes(name) ||
          name.startsWith('node:') ||
          shared(name) ||
          below(name, 'mapping', 'formats'),
      ),
      [],
    ));

  it('of saxes occur only in formats/xml and for the files of the MESH Client, whose values are text', () => {
    const readers = new Set(['lib/formats/xml.ts', 'lib/folders/text-xml.ts']);
    assert.deepEqual(
      forbiddenImports('', (name, file) => !name.startsWith('saxes') || readers.has(file)),
      [],
    );
  });

  it('of node:fs never occur in the durable lines, which use lib/files.ts', () => {
    const durable = /^lib\/(?:payload|folders|store|send|receive)\/|^lib\/(?:storage|mailbox)\.ts$/;
    assert.deepEqual(
      forbiddenImports('', (name, file) => !durable.test(file) || !/^(?:node:)?fs(?:\/|$)/.test(name)),
      [],
    );
  });

  it('of node:sqlite occur only in the driver, but for types', () => {
    const loads = sources.filter((file) => /^import (?!type\b)[^;]*from 'node:sqlite'/m.test(text(file)));
    assert.deepEqual(loads, ['lib/store/sqlite/driver.ts']);
  });

  it('of undici occur only in the transport', () =>
    assert.deepEqual(
      forbiddenImports('', (name, file) => !name.startsWith('undici') || file === 'lib/client/transport.ts'),
      [],
    ));

  it('of Node-RED and of the nodes never occur in lib', () =>
    assert.deepEqual(
      forbiddenImports('lib/', (name) => !name.startsWith('nodes/') && !/^(node-red|@node-red)/.test(name)),
      [],
    ));

  it('of lib by the nodes are only its index and the sandbox’s index', () =>
    assert.deepEqual(
      forbiddenImports(
        'nodes/',
        (name) => !name.startsWith('lib/') || ['lib/index.ts', 'lib/sandbox/index.ts'].includes(name),
      ),
      [],
    ));

  it('point down the layers of docs/design.md, "The house", never up', () => {
    const layers = [
      /^lib\/(?:errors|types|variables|proxy-variables|pem|clock|clock-steps|files|random|message-states|start-worker)\.ts$/,
      /^lib\/(?:protocol|formats)\//,
      /^lib\/mapping\//,
      /^lib\/workers\//,
      /^lib\/mllp\//,
      /^lib\/(?:config\.ts|storage\.ts|client\/|payload\/|store\/|acks\/|letters\/|folders\/)/,
      /^lib\/(?:send|receive)\//,
      /^lib\/(?:operator|monitor|alerts|check|cutover)\//,
      /^lib\/mailbox\.ts$/,
      /^lib\/index\.ts$/,
      /^(?:nodes|lib\/conformance|lib\/flow-tests|lib\/cli)\//,
    ];
    const layerOf = (file: string): number => layers.findIndex((layer) => layer.test(file));
    const isSandbox = (file: string): boolean => file.startsWith('lib/sandbox/');
    assert.deepEqual(
      sources.filter((file) => layerOf(file) < 0 && !isSandbox(file)),
      [],
    );
    const up = sources.flatMap((file) =>
      (imports.get(file) ?? [])
        .filter((name) => !isSandbox(file) && layerOf(name) > layerOf(file))
        .map((name) => `${file}: ${name}`),
    );
    assert.deepEqual(up, []);
  });

  it('of the nodes point from mesh-*.ts through admin, send, receive and mllp down to mailbox and shared', () => {
    const nodeFolders = new Map([
      ['shared', []],
      ['mailbox', ['shared']],
      ['monitor', ['mailbox', 'shared']],
      ['send', ['mailbox', 'shared']],
      ['receive', ['mailbox', 'shared']],
      ['mllp', ['mailbox', 'shared']],
      ['csv', ['shared']],
      ['codes', ['shared']],
      ['admin', ['monitor', 'mailbox', 'shared']],
    ]);
    const folderOf = (file: string): string | undefined => /^nodes\/([^/]+)\//.exec(file)?.[1];
    const inNodes = sources.filter((file) => file.startsWith('nodes/'));
    assert.deepEqual(new Set(inNodes.map(folderOf).filter(Boolean)), new Set(nodeFolders.keys()));
    assert.deepEqual(
      inNodes.filter((file) => folderOf(file) === undefined && !/^nodes\/mesh-[\w-]+\.ts$/.test(file)),
      [],
    );
    const wrong = [...nodeFolders].flatMap(([folder, below]) =>
      forbiddenImports(
        `nodes/${folder}/`,
        (name) => !name.startsWith('nodes/') || [folder, ...below].includes(folderOf(name) ?? ''),
      ),
    );
    assert.deepEqual(wrong, []);
  });

  it('of nodes/shared serve several folders: it has at most 12 files', () =>
    assert.ok(sources.filter((file) => file.startsWith('nodes/shared/')).length <= 12));

  it('of tests and tools point one way: scripts and bench use test/harness, tests use neither, lib and nodes none', () => {
    const from = (folders: RegExp, forbidden: RegExp): string[] =>
      [...sources, ...tools]
        .filter((file) => folders.test(file))
        .flatMap((file) =>
          (imports.get(file) ?? []).filter((name) => forbidden.test(name)).map((name) => `${file}: ${name}`),
        );
    assert.deepEqual(from(/^(?:lib|nodes)\//, /^(?:test|scripts|bench)\//), []);
    assert.deepEqual(from(/^test\//, /^(?:scripts|bench)\//), []);
    assert.deepEqual(from(/^scripts\//, /^(?:bench\/|test\/(?!harness\/))/), []);
    assert.deepEqual(from(/^bench\//, /^(?:scripts\/|test\/(?!harness\/))/), []);
    assert.deepEqual(from(/^test\/harness\//, /^test\/(?!harness\/)/), []);
  });

  it('have no cycles', () => {
    const done = new Set<string>();
    const cycleFrom = (file: string, way: string[]): string[] | undefined => {
      if (way.includes(file)) return [...way.slice(way.indexOf(file)), file];
      if (done.has(file)) return undefined;
      for (const next of (imports.get(file) ?? []).filter((name) => all.has(name))) {
        const cycle = cycleFrom(next, [...way, file]);
        if (cycle) return cycle;
      }
      done.add(file);
      return undefined;
    };
    const cycles = sources.map((file) => cycleFrom(file, [])).filter((cycle) => cycle !== undefined);
    assert.deepEqual(cycles, []);
  });
});

describe('files', () => {
  it('never switch off server verification, except to ask who signed a certificate', () => {
    // The sandbox is a server: it accepts every client certificate, and responds 403 with the reason to a bad one.
    const allowed = new Set(['lib/client/missing-issuer.ts', 'lib/sandbox/server.ts']);
    const off = sources.filter((file) => /rejectUnauthorized['"]?\s*[:=]\s*(?!\s|true)/.test(text(file)));
    assert.deepEqual(
      off.filter((file) => !allowed.has(file)),
      [],
    );
    assert.deepEqual(
      [...filesIn('lib'), ...filesIn('nodes')].filter((file) => text(file).includes('NODE_TLS_REJECT_UNAUTHORIZED')),
      [],
    );
  });
});
