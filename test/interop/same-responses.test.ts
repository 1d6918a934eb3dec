/**
 * The same requests to both servers, and the same answers: status, media type, all JSON fields and all headers of messages
 * with their values. What differs is explained in docs/interoperation.md, and nothing else may differ.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { SAME_REQUESTS, type SameRequest } from './same-requests';
import type { RawAnswer } from './support/raw-request';
import { fieldsOf, Scene, steady, type Version } from './support/scene';
import { officialSandbox, ourSandbox, type Server } from './support/servers';

const DOCUMENT = join(__dirname, '..', '..', 'docs', 'interoperation.md');

interface Shape {
  status: number;
  mediaType: string;
  /** With their values, but for texts that are for people. */
  fields: Record<string, string>;
  /** Of messages. */
  headers: Record<string, string>;
}

/** `errorDescription` of version 1, `msg` of version 2 and of a 400. */
const WORDS = /^(errorDescription|detail\[\]\.msg|fields\[\]|message)$/;

function shapeOf({ status, headers, json }: RawAnswer, namesOnly: boolean): Shape {
  const named = (values: Record<string, string>): Record<string, string> =>
    Object.fromEntries(
      Object.entries(values).map(([name, value]) => [
        name,
        namesOnly || (status >= 300 && WORDS.test(name)) ? '' : value,
      ]),
    );
  const ofMessages = Object.entries(headers)
    .filter(([name]) => name.startsWith('mex-') || name === 'content-encoding')
    .map(([name, value]): [string, string] => [name, steady(String(value))]);
  return {
    status,
    mediaType: String(headers['content-type'] ?? 'none').replace(/;.*/, ''),
    fields: named(fieldsOf(json)),
    headers: named(Object.fromEntries(ofMessages)),
  };
}

/** Takes names away from a record. */
function without(fields: Record<string, string>, names: RegExp): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.test(name)));
}

/** The shape without the fields and headers that are known to differ. */
function reduced(shape: Shape, names: RegExp): Shape {
  return { ...shape, fields: without(shape.fields, names), headers: without(shape.headers, names) };
}

/** Differences of many answers; `alike` makes the official shape what ours is to be, where it applies. */
const EVERYWHERE: ReadonlyArray<{ name: string; alike: (official: Shape, ours: Shape) => Shape }> = [
  {
    name: 'error-ids',
    alike(official, ours) {
      if (official.status < 300) return official;
      const ids = Object.entries(ours.fields).filter(([name]) => /^(internal_id|message_id|messageID)$/.test(name));
      return { ...official, fields: { ...official.fields, ...Object.fromEntries(ids) } };
    },
  },
  {
    name: 'validation-echo',
    alike: (official) => ({
      ...official,
      fields: without(official.fields, /^(detail\[\]\.(input|ctx)|body)(\.|$)/),
    }),
  },
  {
    name: 'media-type',
    alike(official, ours) {
      const plain = official.mediaType === 'application/json' && ours.mediaType === 'application/vnd.mesh.v2+json';
      const none = official.mediaType === 'none' && 'mex-messageid' in ours.headers;
      return plain || none ? { ...official, mediaType: ours.mediaType } : official;
    },
  },
  {
    name: 'compressed-flag',
    alike(official, ours) {
      const flag = 'mex-content-compressed';
      if (ours.headers[flag] !== 'N' || !('mex-messageid' in official.headers)) return official;
      return { ...official, headers: { [flag]: 'N', ...official.headers } };
    },
  },
];

describe('The same requests to both sandboxes', function () {
  this.timeout(20_000);
  let official: Server;
  let ours: Server;
  const seen = new Set<string>();
  let asked = 0;

  before(async () => {
    official = await officialSandbox();
    ours = await ourSandbox();
    await official.reset();
    await ours.reset();
  });

  async function answersTo({ request, namesOnly }: SameRequest, version: Version): Promise<Shape[]> {
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
        const [theirs, own] = await answersTo(sameRequest, version);
        asked += 1;
        assert.ok(theirs && own);
        const leveled = EVERYWHERE.reduce((shape, { name, alike }) => {
          const next = alike(shape, own);
          if (!isDeepStrictEqual(next, shape)) seen.add(name);
          return next;
        }, theirs);
        if (!differs) {
          assert.deepEqual(own, leveled);
          return;
        }
        seen.add(difference.name);
        assert.deepEqual(
          { official: theirs.status, ours: own.status },
          { official: difference.official, ours: difference.ours },
        );
        assert.notDeepEqual(own, leveled, 'they are alike by now: take the difference away, here and in the document');
        if (theirs.status !== own.status) return;
        assert.ok(difference.fields, 'which fields differ is not said');
        assert.deepEqual(reduced(own, difference.fields), reduced(leveled, difference.fields));
      });
    }
  }

  it('docs/interoperation.md explains every difference that was seen, and no other', function () {
    // With --grep, not all have been seen.
    if (asked < SAME_REQUESTS.length * 2) this.skip();
    const [, differences = ''] = readFileSync(DOCUMENT, 'utf8').split('## Differences');
    const explained = [...differences.matchAll(/^\| `([a-z0-9-]+)`/gm)].map(([, name]) => name);
    assert.deepEqual(explained.toSorted(), [...seen].toSorted());
  });
});
