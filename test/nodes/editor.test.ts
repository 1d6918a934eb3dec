/** The editor's part of the nodes: every html file loads, and matches the node's code and its texts. */
import { strict as assert } from 'node:assert';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { catalogue, NODE_NAMES, ROOT, textAt } from './support';

interface Definition {
  category: string;
  color?: string;
  icon?: string;
  inputs?: number;
  outputs?: number;
  defaults: Record<
    string,
    { value: unknown; type?: string; validate?: (value: unknown, options?: unknown) => unknown }
  >;
  credentials?: Record<string, { type: string }>;
  label(this: object): string;
  outputLabels?(this: object, index: number): string;
  oneditprepare?(this: object): void;
}

const read = (...path: string[]): string => readFileSync(join(ROOT, ...path), 'utf8');

/** The files with the interfaces of the stored properties, where that is not the node's own file. */
const SOURCES: Partial<Record<string, string>> = {
  'mesh-config': 'mailbox/mailbox-settings.ts',
  'mesh-poll': 'receive/poll-settings.ts',
};

/** RED.nhsMesh: the editor plugin's modules add it to the RED of their page. */
function loadShared(): Record<string, unknown> {
  const RED: Record<string, unknown> = { _: (key: string) => key, events: { on: () => undefined } };
  const page = { RED, $: () => ({ on: () => undefined }), document: { querySelectorAll: () => [] } };
  Object.assign(globalThis, page);
  require('../../resources/mesh-editor/main.js');
  for (const name of Object.keys(page)) Reflect.deleteProperty(globalThis, name);
  return RED['nhsMesh'] as Record<string, unknown>;
}

const nhsMesh = loadShared();

function load(name: string): { definition: Definition; template: string; type: string } {
  const html = read('nodes', `${name}.html`);
  const template = /<script type="text\/html" data-template-name="([^"]+)">([\s\S]*?)<\/script>/.exec(html);
  const script = /<script type="text\/javascript">([\s\S]*?)<\/script>/.exec(html);
  assert.ok(template?.[2] !== undefined && script?.[1] !== undefined, 'has a template and a script');
  assert.equal(template[1], name);
  let registered: { type: string; definition: Definition } | undefined;
  runInNewContext(script[1], {
    RED: {
      nhsMesh,
      nodes: {
        registerType: (type: string, definition: Definition) => (registered = { type, definition }),
        node: () => ({ environment: 'live' }),
      },
      validators: { typedInput: () => () => true },
      _: (key: string) => key,
    },
  });
  assert.ok(registered);
  return { ...registered, template: template[2] };
}

const isConfig = (name: string): boolean => ['mesh-config', 'mesh-fhir-profiles', 'mesh-codes'].includes(name);

/** Returns the names in `interface …Def extends NodeDef { … }`. */
function storedProperties(name: string): string[] {
  const source = read('nodes', SOURCES[name] ?? `${name}.ts`);
  const body = /interface Mesh\w+Def extends NodeDef \{([\s\S]*?)\n\}/.exec(source)?.[1] ?? '';
  return [...body.matchAll(/^ {2}(\w+)\??:/gm)].map((match) => match[1] ?? '');
}

for (const name of NODE_NAMES) {
  describe(`editor: ${name}`, () => {
    const { definition, template, type } = load(name);
    const prefix = isConfig(name) ? 'node-config-input-' : 'node-input-';

    it('registers its own type with the category and an existing icon', () => {
      assert.equal(type, name);
      assert.equal(definition.category, isConfig(name) ? 'config' : 'MESH');
      const icon = read('icons', definition.icon ?? `${name}.svg`);
      assert.match(icon, /viewBox="0 0 40 60"/);
      assert.match(icon, /stroke="#fff"/);
    });

    it('stores exactly the properties that the code reads, with version 1', () => {
      const stored = Object.keys(definition.defaults).filter((property) => property !== 'name');
      assert.deepEqual(stored.sort(), storedProperties(name).sort());
      assert.equal(definition.defaults['version']?.value, 1);
    });

    it('has a field for every property and credential, and a property for every field', () => {
      const fields = [...template.matchAll(/id="(node-(?:config-)?input-[\w-]+)"/g)].map((match) => match[1] ?? '');
      const properties = [...Object.keys(definition.defaults), ...Object.keys(definition.credentials ?? {})];
      const expected = properties.filter((property) => property !== 'version').map((property) => prefix + property);
      assert.deepEqual(fields.filter((field) => !field.endsWith('-choice')).sort(), expected.sort());
      for (const [, target] of template.matchAll(/<label for="([^"]+)"/g)) {
        assert.ok(fields.includes(target ?? ''), `label for ${target}`);
      }
      assert.equal([...template.matchAll(/<label/g)].length, [...template.matchAll(/<label for="/g)].length);
    });

    it('uses only texts that exist', () => {
      const texts = catalogue('en-US', name);
      const script = read('nodes', `${name}.html`);
      const keys = [...script.matchAll(/data-i18n="(?:\[\w+\])?([\w.-]+)"/g)].map((match) => match[1] ?? '');
      assert.ok(keys.length > 0);
      for (const key of keys) assert.ok(textAt(texts, key) !== undefined, key);
      for (const [, key] of script.matchAll(/(?<!\.)invalid\('([\w-]+)'/g)) {
        assert.ok(textAt(texts, `${name}.validate.${key}`) !== undefined, key);
      }
    });

    it('uses only members of RED.nhsMesh that exist', () => {
      for (const [, member = ''] of read('nodes', `${name}.html`).matchAll(/RED\.nhsMesh\.(\w+)/g)) {
        assert.equal(typeof nhsMesh[member], 'function', member);
      }
    });

    it('has a readable label without a name, and uses no inline styles and only colours of the theme', () => {
      assert.ok(definition.label.call({}).length > 0);
      assert.equal(definition.label.call({ name: 'mine' }), 'mine');
      assert.doesNotMatch(template, /#[0-9a-f]{3,6}\b|rgba?\(|\sstyle=/i);
    });

    it('accepts ${VAR} in every field with its own validator', () => {
      for (const [property, { validate }] of Object.entries(definition.defaults)) {
        if (validate) assert.equal(validate.call({ mailbox: 'm' }, '${VAR}', {}), true, property);
      }
    });

    it('accepts its own defaults', () => {
      const values = Object.fromEntries(Object.entries(definition.defaults).map(([key, { value }]) => [key, value]));
      for (const [property, { validate, value }] of Object.entries(definition.defaults)) {
        if (validate) assert.equal(validate.call(values, value, {}), true, property);
      }
    });

    it('has help that follows the style guide', () => {
      const help = read('nodes', 'locales', 'en-US', `${name}.html`);
      assert.match(help, new RegExp(`data-help-name="${name}"`));
      assert.match(help, /^\s*<p>[^<]{10,120}<\/p>/m);
      assert.match(help, /<dl class="message-properties">/);
    });

    it('has status texts of under 20 characters', () => {
      const statuses = (catalogue('en-US', name)[name] as { status?: Record<string, string> }).status ?? {};
      for (const [key, text] of Object.entries(statuses)) {
        const filled = text
          .replace('__time__', '23:59')
          .replace('__code__', 'EPL-151')
          .replace(/__\w+__/g, '999');
        assert.ok(filled.length < 20, `${key}: ${filled}`);
      }
    });
  });
}

describe('editor: validators and labels', () => {
  it('mesh-poll rejects an interval under five minutes for a live mailbox, but accepts 0', () => {
    const { definition } = load('mesh-poll');
    const validate = definition.defaults['interval']?.validate;
    assert.equal(validate?.call({ mailbox: 'm' }, '0', {}), true);
    assert.equal(validate?.call({ mailbox: 'm' }, '5', {}), true);
    assert.notEqual(validate?.call({ mailbox: 'm' }, '4', {}), true);
    assert.notEqual(validate?.call({ mailbox: 'm' }, '', {}), true);
    assert.notEqual(validate?.call({ mailbox: 'm' }, 'often', {}), true);
  });

  it('mesh-poll requires a folder only to save files', () => {
    const validate = load('mesh-poll').definition.defaults['folder']?.validate;
    assert.equal(validate?.call({ payloadAs: 'buffer' }, '', {}), true);
    assert.notEqual(validate?.call({ payloadAs: 'file' }, '', {}), true);
    assert.equal(validate?.call({ payloadAs: 'file' }, '/data', {}), true);
  });

  it('mesh-config accepts https for any host and http for this machine', () => {
    const validate = load('mesh-config').definition.defaults['environment']?.validate;
    for (const good of ['sandbox', 'integration', 'live', 'https://mesh.example:8700', 'http://localhost:8700']) {
      assert.equal(validate?.call({}, good, {}), true, good);
    }
    for (const bad of ['', 'prod', 'http://mesh.example', 'ftp://x']) {
      assert.notEqual(validate?.call({}, bad, {}), true, bad);
    }
  });

  it('mesh-send has its workflow or recipient as label', () => {
    const { definition } = load('mesh-send');
    assert.equal(definition.label.call({ workflowId: 'TOC', workflowIdType: 'str', to: 'X', toType: 'str' }), 'TOC');
    assert.equal(definition.label.call({ workflowId: 'a.b', workflowIdType: 'msg', to: 'X', toType: 'str' }), 'X');
  });

  it('mesh-poll has four outputs, each with a label', () => {
    const { definition } = load('mesh-poll');
    const texts = catalogue('en-US', 'mesh-poll');
    assert.equal(definition.outputs, 4);
    const labels = [0, 1, 2, 3].map((index) =>
      definition.outputLabels?.call({ _: (key: string) => textAt(texts, key) }, index),
    );
    assert.deepEqual(labels, ['data', 'reports', 'business acknowledgements', 'parked']);
  });

  it('en-GB has only keys that en-US has', () => {
    for (const name of NODE_NAMES) {
      if (!existsSync(join(ROOT, 'nodes', 'locales', 'en-GB', `${name}.json`))) continue;
      const base = catalogue('en-US', name);
      const walk = (at: Record<string, unknown>, path: string): void => {
        for (const [key, value] of Object.entries(at)) {
          const next = path === '' ? key : `${path}.${key}`;
          if (typeof value === 'object') walk(value as Record<string, unknown>, next);
          else assert.ok(textAt(base, next) !== undefined, next);
        }
      };
      walk(catalogue('en-GB', name), '');
    }
  });
});
