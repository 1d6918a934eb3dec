/**
 * Both servers return the same responses to the same requests: status, media type, all JSON fields and all message
 * headers with their values. Only the differences that docs/interoperation.md explains are allowed.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { SAME_REQUESTS, type SameRequest } from './same-requests';
import type { RawResponse } from './support/raw-request';
import { ALICE, fieldsOf, Scene, steady, type Version } from './support/scene';
import { officialSandbox, ourSandbox, type Server } from './support/servers';

const DOCUMENT = join(__dirname, '..', '..', 'docs', 'interoperation.md');

/** The parts of a response that must be equal. */
interface Shape {
  status: number;
  mediaType: string;
  /** Names and values of JSON fields, without the texts of errors. */
  fields: Record<string, string>;
  /** Names and values of message headers. */
  headers: Record<string, string>;
}

/** Fields with texts for people: `errorDescription` in version 1, `msg` in version 2 and in a 400. */
const TEXT_FIELDS = /^(errorDescription|detail\[\]\.msg|fields\[\]|message)$/;

function shapeOf({ status, headers, json }: RawResponse, namesOnly: boolean): Shape {
  const comparable = (values: Record<string, string>): Record<string, string> =>
    Object.fromEntries(
      Object.entries(values).map(([name, value]) => [
        name,
        namesOnly || (status >= 300 && TEXT_FIELDS.test(name)) ? '' : value,
      ]),
    );
  const messageHeaders = Object.entries(headers)
    .filter(([name]) => name.startsWith('mex-') || name === 'content-encoding')
    .map(([name, value]): [string, string] => [name, steady(String(value))]);
  return {
    status,
    mediaType: String(headers['content-type'] ?? 'none').replace(/;.*/, ''),
    fields: comparable(fieldsOf(json)),
    headers: comparable(Object.fromEntries(messageHeaders)),
  };
}

/** Removes matching names from a record. */
function without(fields: Record<string, string>, names: RegExp): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.test(name)));
}

/** Returns the shape without the fields and headers that are known to differ. */
function reduced(shape: Shape, names: RegExp): Shape {
  return { ...shape, fields: without(shape.fields, names), headers: without(shape.headers, names) };
}

/** Differences of many responses. `adapt` applies the difference to the official shape, so that ours must equal it. */
const GENERAL_DIFFERENCES: ReadonlyArray<{ name: string; adapt: (official: Shape, ours: Shape) => Shape }> = [
  {
    name: 'error-ids',
    adapt(official, ours) {
      if (official.status < 300) return official;
      const ids = Object.entries(ours.fields).filter(([name]) => /^(internal_id|message_id|messageID)$/.test(name));
      return { ...official, fields: { ...official.fields, ...Object.fromEntries(ids) } };
    },
  },
  {
    name: 'validation-echo',
    adapt: (official) => ({
      ...official,
      fields: without(official.fields, /^(detail\[\]\.(input|ctx)|body)(\.|$)/),
    }),
  },
  {
    name: 'media-type',
    adapt(official, ours) {
      const plain = official.mediaType === 'application/json' && ours.mediaType === 'application/vnd.mesh.v2+json';
      const none = official.mediaType === 'none' && 'mex-messageid' in ours.headers;
      return plain || none ? { ...official, mediaType: ours.mediaType } : official;
    },
  },
  {
    name: 'compressed-flag',
    adapt(official, ours) {
      const flag = 'mex-content-compressed';
      if (ours.headers[flag] !== 'N' || !('mex-messageid' in official.headers)) return official;
      return { ...official, headers: { [flag]: 'N', ...official.headers } };
    },
  },
];

const PATTERNS = ['TEST', 'TEST_A', 'TEST_W*', '*_A*', '*TEST*', '*_A', '*A', '**', '*TEST**', '!TEST', '*', ' TEST '];
const FILTERS = PATTERNS.flatMap((pattern) => [pattern, `!${pattern}`]).filter(({ length }) => length > 1);

describe('The same requests to both sandboxes', function () {
  this.timeout(20_000);
  let official: Server;
  let ours: Server;
  const seen = new Set<string>();
  let compared = 0;

  before(async () => {
    official = await officialSandbox();
    ours = await ourSandbox();
    await official.reset();
    await ours.reset();
  });

  async function responsesTo({ request, namesOnly }: SameRequest, version: Version): Promise<Shape[]> {
    const shapes: Shape[] = [];
    for (const server of [official, ours]) {
      const scene = new Scene(server, version);
      shapes.push(shapeOf(await scene.do(await request(scene)), namesOnly ?? false));
    }
    return shapes;
  }

  for (const sameRequest of SAME_REQUESTS) {
    const { title, difference } = sameRequest;
    for (const version of [1, 2] as const) {
      const differs = difference !== undefined && (difference.only ?? version) === version;
      it(`version ${version}: ${title}${differs ? ` (${difference.name})` : ''}`, async () => {
        const [theirs, own] = await responsesTo(sameRequest, version);
        compared += 1;
        assert.ok(theirs && own);
        const adapted = GENERAL_DIFFERENCES.reduce((shape, { name, adapt }) => {
          const next = adapt(shape, own);
          if (!isDeepStrictEqual(next, shape)) seen.add(name);
          return next;
        }, theirs);
        if (!differs) {
          assert.deepEqual(own, adapted);
          return;
        }
        seen.add(difference.name);
        assert.deepEqual(
          { official: theirs.status, ours: own.status },
          { official: difference.official, ours: difference.ours },
        );
        assert.notDeepEqual(
          own,
          adapted,
          'the responses are equal now: remove the difference, here and in the document',
        );
        if (theirs.status !== own.status) return;
        assert.ok(difference.fields, 'the difference does not name its fields');
        assert.deepEqual(reduced(own, difference.fields), reduced(adapted, difference.fields));
      });
    }
  }

  it('list the same messages for every workflow_filter, also for forms that the specification does not have', async () => {
    const workflows = ['TEST_W', 'TEST_A', 'TEST', '_A'];
    const listed: Record<string, string[][]> = {};
    for (const server of [official, ours]) {
      await server.reset();
      const scene = new Scene(server, 2);
      const byId = new Map<string, string>();
      for (const workflow of workflows) byId.set(await scene.message({ 'Mex-WorkflowID': workflow }), workflow);
      for (const filter of FILTERS) {
        const list = scene.as(ALICE, 'GET', `/inbox?workflow_filter=${encodeURIComponent(filter)}`);
        const { messages } = (await scene.do(list)).json as { messages: string[] };
        (listed[filter] ??= []).push(messages.map((id) => byId.get(id) ?? 'another'));
      }
    }
    for (const [filter, [theirs, own]] of Object.entries(listed)) assert.deepEqual(own, theirs, filter);
  });

  it('docs/interoperation.md explains every difference that was found, and no other', function () {
    // With --grep, not all differences have been seen.
    if (compared < SAME_REQUESTS.length * 2) this.skip();
    const [, differences = ''] = readFileSync(DOCUMENT, 'utf8').split('## Differences');
    const explained = [...differences.matchAll(/^\| `([a-z0-9-]+)`/gm)].map(([, name]) => name);
    assert.deepEqual(explained.toSorted(), [...seen].toSorted());
  });
});
