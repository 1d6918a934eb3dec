/** Imports go one way (docs/design.md, The house). */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const ROOT = join(__dirname, '..', '..');

/** Every file below a folder, as a path from the root with slashes. */
function filesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).replaceAll('\\', '/'));
}

const text = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const sources = [...filesIn('lib'), ...filesIn('nodes')].filter((file) => file.endsWith('.ts'));
const tools = [...filesIn('test'), ...filesIn('scripts'), ...filesIn('bench')].filter((file) => file.endsWith('.ts'));
const all = new Set([...sources, ...tools]);

/** What a file imports, exports from, requires or imports later: packages as they are, files as paths from the root. */
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

/** Imports of the files below `folder` that are not allowed, each with its file. */
function strays(folder: string, allowed: (name: string, file: string) => boolean): string[] {
  return sources
    .filter((file) => file.startsWith(folder))
    .flatMap((file) =>
      (imports.get(file) ?? []).filter((name) => !allowed(name, file)).map((name) => `${file}: ${name}`),
    );
}

const below = (name: string, ...folders: string[]): boolean =>
  folders.some((folder) => name.startsWith(`lib/${folder}/`));
const shared = (name: string): boolean => ['lib/errors.ts', 'lib/types.ts'].includes(name);
const packages = (name: string): boolean => !name.startsWith('lib/') && !name.startsWith('nodes/');

describe('imports', () => {
  it('are found at all', () => {
    assert.ok(sources.length > 50);
    assert.ok(imports.get('lib/mailbox.ts')?.includes('lib/client/client.ts'));
    assert.ok(imports.get('lib/index.ts')?.includes('lib/errors.ts'));
    assert.deepEqual(
      strays('', (name) => !name.includes('(no such file)') || /\.(json|c?js) /.test(name)),
      [],
    );
  });

  it('of protocol are zod, node:crypto, errors, types and protocol', () =>
    assert.deepEqual(
      strays(
        'lib/protocol/',
        (name) => ['zod', 'node:crypto'].includes(name) || shared(name) || below(name, 'protocol'),
      ),
      [],
    ));

  it('of errors and types are none of ours but each other', () =>
    assert.deepEqual([...strays('lib/errors.ts', shared), ...strays('lib/types.ts', shared)], []));

  it('of the sandbox are protocol, errors and types, never the client’s side', () =>
    assert.deepEqual(
      strays(
        'lib/sandbox/',
        (name) =>
          shared(name) ||
          below(name, 'sandbox', 'protocol') ||
          name.startsWith('node:') ||
          ['zod', '@peculiar/x509', 'reflect-metadata'].includes(name),
      ),
      [],
    ));

  it('of lib never reach into the sandbox, but for its own and the command line, which starts one', () =>
    assert.deepEqual(
      strays('lib/', (name, file) => !below(name, 'sandbox') || below(file, 'sandbox', 'cli')),
      [],
    ));

  it('of payload are no client, send or receive', () =>
    assert.deepEqual(
      strays('lib/payload/', (name) => packages(name) || shared(name) || below(name, 'payload', 'protocol', 'store')),
      [],
    ));

  it('of the store are no client, send, receive or protocol: it knows errors only', () =>
    assert.deepEqual(
      strays('lib/store/', (name) => !below(name, 'client', 'send', 'receive', 'protocol', 'sandbox')),
      [],
    ));

  it('of the client are no send or receive', () =>
    assert.deepEqual(
      strays('lib/client/', (name) => !below(name, 'send', 'receive')),
      [],
    ));

  it('of receive are no send, and of send no receive', () => {
    assert.deepEqual(
      strays('lib/receive/', (name) => !below(name, 'send')),
      [],
    );
    assert.deepEqual(
      strays('lib/send/', (name) => !below(name, 'receive')),
      [],
    );
  });

  it('of check are no payload, store, send or receive: it leaves nothing behind', () =>
    assert.deepEqual(
      strays('lib/check/', (name) => !below(name, 'payload', 'store', 'send', 'receive')),
      [],
    ));

  it('of conformance are node’s own, conformance and the library’s index: it proves what users get', () =>
    assert.deepEqual(
      strays(
        'lib/conformance/',
        (name) => name.startsWith('node:') || name === 'lib/index.ts' || below(name, 'conformance'),
      ),
      [],
    ));

  it('of the command line are its own: nothing in lib needs it', () =>
    assert.deepEqual(
      strays('', (name, file) => !below(name, 'cli') || below(file, 'cli')),
      [],
    ));

  it('of mllp are node’s own, errors, formats and mllp: it knows nothing of MESH', () =>
    assert.deepEqual(
      strays(
        'lib/mllp/',
        (name) => name.startsWith('node:') || name === 'lib/errors.ts' || below(name, 'mllp', 'formats'),
      ),
      [],
    ));

  it('of formats are errors, formats and saxes: they know nothing of MESH', () =>
    assert.deepEqual(
      strays(
        'lib/formats/',
        (name) => name === 'saxes' || name.startsWith('node:') || name === 'lib/errors.ts' || below(name, 'formats'),
      ),
      [],
    ));

  it('of acks are zod, errors, types, formats, protocol and acks', () =>
    assert.deepEqual(
      strays(
        'lib/acks/',
        (name) =>
          name === 'zod' || name.startsWith('node:') || shared(name) || below(name, 'acks', 'formats', 'protocol'),
      ),
      [],
    ));

  it('of saxes are formats/xml’s, and of the MESH Client’s control files, whose values are texts', () => {
    const readers = new Set(['lib/formats/xml.ts', 'lib/folders/control-file.ts']);
    assert.deepEqual(
      strays('', (name, file) => !name.startsWith('saxes') || readers.has(file)),
      [],
    );
  });

  it('of undici are the transport’s alone', () =>
    assert.deepEqual(
      strays('', (name, file) => !name.startsWith('undici') || file === 'lib/client/transport.ts'),
      [],
    ));

  it('of Node-RED and of the nodes are not in lib', () =>
    assert.deepEqual(
      strays('lib/', (name) => !name.startsWith('nodes/') && !/^(node-red|@node-red)/.test(name)),
      [],
    ));

  it('of lib by the nodes are its index and the sandbox’s', () =>
    assert.deepEqual(
      strays('nodes/', (name) => !name.startsWith('lib/') || ['lib/index.ts', 'lib/sandbox/index.ts'].includes(name)),
      [],
    ));

  it('run down the floors of the house (docs/design.md, "The house"), never up', () => {
    const floors = [
      /^lib\/(?:errors|types|clock|message-states)\.ts$/,
      /^lib\/(?:protocol|formats)\//,
      /^lib\/mllp\//,
      /^lib\/(?:config\.ts|storage\.ts|client\/|payload\/|store\/|acks\/|folders\/)/,
      /^lib\/(?:send|receive)\//,
      /^lib\/(?:operator|monitor|check)\//,
      /^lib\/mailbox\.ts$/,
      /^lib\/index\.ts$/,
      /^(?:nodes|lib\/conformance|lib\/cli)\//,
    ];
    const floorOf = (file: string): number => floors.findIndex((floor) => floor.test(file));
    const isSandbox = (file: string): boolean => file.startsWith('lib/sandbox/');
    assert.deepEqual(
      sources.filter((file) => floorOf(file) < 0 && !isSandbox(file)),
      [],
    );
    const up = sources.flatMap((file) =>
      (imports.get(file) ?? [])
        .filter((name) => !isSandbox(file) && floorOf(name) > floorOf(file))
        .map((name) => `${file}: ${name}`),
    );
    assert.deepEqual(up, []);
  });

  it('of the nodes run from mesh-*.ts by admin, send, receive and mllp down to mailbox and shared', () => {
    const rooms = new Map([
      ['shared', []],
      ['mailbox', ['shared']],
      ['monitor', ['mailbox', 'shared']],
      ['send', ['mailbox', 'shared']],
      ['receive', ['mailbox', 'shared']],
      ['mllp', ['mailbox', 'shared']],
      ['admin', ['monitor', 'mailbox', 'shared']],
    ]);
    const roomOf = (file: string): string | undefined => /^nodes\/([^/]+)\//.exec(file)?.[1];
    const inNodes = sources.filter((file) => file.startsWith('nodes/'));
    assert.deepEqual(new Set(inNodes.map(roomOf).filter(Boolean)), new Set(rooms.keys()));
    assert.deepEqual(
      inNodes.filter((file) => roomOf(file) === undefined && !/^nodes\/mesh-[\w-]+\.ts$/.test(file)),
      [],
    );
    const wrong = [...rooms].flatMap(([room, below]) =>
      strays(`nodes/${room}/`, (name) => !name.startsWith('nodes/') || [room, ...below].includes(roomOf(name) ?? '')),
    );
    assert.deepEqual(wrong, []);
  });

  it('of nodes/shared are needed by several rooms: it has at most 12 files', () =>
    assert.ok(sources.filter((file) => file.startsWith('nodes/shared/')).length <= 12));

  it('of tests and tools run one way: scripts and bench use test/harness, tests use neither, lib and nodes use none', () => {
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

  it('have no cycle', () => {
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
  it('switch no verification of a server off, but for the one that only asks who signed', () => {
    // The sandbox is a server: it takes every client certificate, and answers 403 with the reason to a bad one.
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
