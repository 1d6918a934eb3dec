/** Imports go one way (DESIGN.md, "Tree"). */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const ROOT = join(__dirname, '..', '..');
const LONGEST_FILE = 450;

/** Every file below a folder, as a path from the root with slashes. */
function filesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).replaceAll('\\', '/'));
}

const text = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const sources = [...filesIn('lib'), ...filesIn('nodes')].filter((file) => file.endsWith('.ts'));
const all = new Set(sources);

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

const imports = new Map(sources.map((file) => [file, importsOf(file)]));

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

  it('of mllp are node’s own, errors and mllp: it knows nothing of MESH', () =>
    assert.deepEqual(
      strays('lib/mllp/', (name) => name.startsWith('node:') || name === 'lib/errors.ts' || below(name, 'mllp')),
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
  it(`have at most ${LONGEST_FILE} lines`, () => {
    const long = [...filesIn('lib'), ...filesIn('nodes')]
      .filter((file) => /\.(ts|html|json)$/.test(file))
      .filter((file) => text(file).split('\n').length > LONGEST_FILE);
    assert.deepEqual(long, []);
  });

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
