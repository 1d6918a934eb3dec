import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { asReadWith } from '../../lib/formats/as-read';
import { readEdifact, writeEdifact } from '../../lib/formats/edifact/interchange';
import { DEFAULT_SYNTAX, splitReleased, unrelease } from '../../lib/formats/edifact/syntax';
import { UnreadableError } from '../../lib/errors';
import { readHl7, writeHl7, type Hl7Message } from '../../lib/formats/hl7/message';
import { segmentsInOrder } from '../../lib/formats/segments';

const ADT = [
  'MSH|^~\\&|PAS|X26|TIE|X26|20260115093000||ADT^A01^ADT_A01|1|P|2.4||||||UNICODE UTF-8',
  'PID|1||999^^^NHS~H1^^^X26^PI||O\\T\\BRIEN&X^ANN^^^MRS~EARLIER^^||19580317|F|||12 ROAD&ROAD^LEEDS^^^LS6',
  'PV1|1|I|WARD12^BAY 3||||C1^CONSULTANT^CAROL^^^|||',
  'NTE|1|L|One\\.br\\two \\XE9\\.',
  '',
].join('\r');

type Tree = Record<string, unknown>;

/** Changes one part of a message in place: the part, and what is done to it, are chosen by the numbers. */
function change(message: Hl7Message, choices: readonly number[], text: string): void {
  let at = message as Tree;
  for (const choice of choices) {
    const names = Object.keys(at);
    const name = names[choice % names.length];
    if (name === undefined) return;
    const part = at[name];
    if (typeof part === 'object' && part !== null && choice % 4 > 0) {
      at = part as Tree;
      continue;
    }
    const isList = Array.isArray(at);
    if (choice % 3 === 0) delete at[name];
    else if (choice % 3 === 1 || isList) at[name] = isList ? { c2: text } : text;
    else at[`${name.charAt(0)}${1 + (choice % 7)}`] = text;
    return;
  }
}

const written = (message: Hl7Message): string | Buffer | Error => {
  try {
    return writeHl7(message);
  } catch (error) {
    return error as Error;
  }
};

describe('A message as it was read', () => {
  it('is written as its copy is, whatever part of it has been changed in place', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1000), { minLength: 2, maxLength: 8 }), fc.string(), (choices, text) => {
        const message = readHl7(Buffer.from(ADT));
        change(message, choices, text);
        // Nothing is remembered of a copy: its segments are compared with their texts.
        const copy = structuredClone(message);
        assert.deepEqual(written(message), written(copy));
      }),
      { numRuns: 1000 },
    );
  });

  it('is known by what was noted while it was read, whatever its segments have', () => {
    const piece = fc.constantFrom('|', '~', '^', '&', 'A', '\\T\\', '\\XE9\\', ' ');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const message = readHl7(`${ADT}ZZZ|${pieces.join('')}\r`);
        const isAsRead = asReadWith(message.MSH?.[0]);
        for (const { name, segment } of segmentsInOrder(message)) assert.ok(isAsRead(segment), name);
      }),
      { numRuns: 1000 },
    );
  });

  it('shows nothing of what is remembered: not to JSON, a copy, a comparison or a listing', () => {
    const message = readHl7(ADT);
    assert.deepEqual(structuredClone(message), message);
    assert.deepEqual(JSON.parse(JSON.stringify(message)), message);
    assert.deepEqual(Object.getOwnPropertySymbols(structuredClone(message).MSH?.[0]), []);
    assert.equal(JSON.stringify({ ...message.MSH?.[0] }), JSON.stringify(message.MSH?.[0]));
    assert.deepEqual(Object.keys(message.MSH?.[0] ?? {}).at(-1), 'raw');
  });

  it('is written with the segments of another message that were put into it, and changed there', () => {
    const [one, other] = [readHl7(ADT), readHl7(ADT.replace('ANN', 'BETH'))];
    const [pid = {}] = other['PID'] as object[];
    Object.assign(pid, { f8: 'M' });
    Object.assign(one, { PID: other['PID'] });
    assert.equal(writeHl7(one), ADT.replace('ANN', 'BETH').replace('|F|', '|M|'));
  });

  it('is written anew where only its separators have changed', () => {
    const message = readHl7(ADT);
    Object.assign(message.MSH?.[0] ?? {}, { f2: '*~\\&' });
    assert.match(writeHl7(message) as string, /\rPV1\|1\|I\|WARD12\*BAY 3\|/);
  });
});

describe('EDIFACT text', () => {
  it('is split at each separator that no release character stands before, however many stand there', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', '?', '+', "'", '??', '?+'), { maxLength: 30 }), (pieces) => {
        const text = pieces.join('');
        const parts = [''];
        for (let index = 0; index < text.length; index += 1) {
          const isReleased = text.charAt(index) === '?';
          if (!isReleased && text.charAt(index) === '+') parts.push('');
          else parts[parts.length - 1] += text.slice(index, index + (isReleased ? 2 : 1));
          if (isReleased) index += 1;
        }
        assert.deepEqual(splitReleased(text, '+', DEFAULT_SYNTAX), parts);
      }),
      { numRuns: 1000 },
    );
  });

  it('has a component between any two separators that are not released', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', '?', ':', '??', '?:'), { maxLength: 30 }), (pieces) => {
        // An odd number of release characters at its end would release the terminator.
        const text = `a${pieces.join('')}:b`;
        const parts = splitReleased(text, ':', DEFAULT_SYNTAX).map((part) => unrelease(part, DEFAULT_SYNTAX));
        const named = Object.fromEntries(parts.map((part, index) => [`c${index + 1}`, part]));
        const { messages } = readEdifact(`UNB+UNOC:3+A+B+C+1'UNH+1+X'FTX+${text}'UNT+3+1'UNZ+1+1'`);
        const [element] = (messages?.[0]?.['FTX'] as Array<{ e1: object }> | undefined) ?? [];
        assert.deepEqual(element?.e1, Object.fromEntries(Object.entries(named).filter(([, part]) => part !== '')));
      }),
      { numRuns: 1000 },
    );
  });

  it('with a UNA of characters beyond the basic plane is refused', () => {
    assert.throws(() => readEdifact("UNA\u{10000}:+.? 'UNB+UNOC:3+A'UNZ+0+1'"), UnreadableError);
  });

  it('is written as its copy is', () => {
    const text = "UNB+UNOC:3+A?+B:1+C++1'\r\nUNH+1+X:1'\r\nFTX+A++?'x?':y:'\r\nUNT+3+1'\r\nUNZ+1+1'";
    const interchange = readEdifact(text);
    assert.equal(writeEdifact(interchange), text);
    assert.equal(writeEdifact(structuredClone(interchange)), text);
  });
});
