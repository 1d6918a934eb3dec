import assert from 'node:assert/strict';
import { frame, FrameReader } from '../../lib/mllp/framing';
import { MllpFrameError, MllpMessageError } from '../../lib/mllp/errors';
import { thrown } from '../harness/failure';

const FIRST = Buffer.from('MSH|^~\\&|PAS|X26|||20260115||ADT^A01|1|P|2.4\rPID|||Ünal 李\r');
const SECOND = Buffer.from('MSH|^~\\&|PAS|X26|||20260115||ADT^A02|2|P|2.4\r');
const bytes = (...parts: Array<string | Uint8Array>): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)));

/** Returns the messages that a reader finds in these packets, after `finish`. */
function read(packets: Buffer[], maxBytes = 100_000): Buffer[] {
  const reader = new FrameReader(maxBytes);
  return [...packets.flatMap((packet) => reader.push(packet)), ...reader.finish()].map((each) => each.bytes);
}

describe('MLLP framing', () => {
  it('returns what was framed', () => assert.deepEqual(read([frame(FIRST)]), [FIRST]));

  it('reads two messages the same, wherever they are cut into two packets', () => {
    const stream = bytes(frame(FIRST), frame(SECOND));
    for (let cut = 0; cut <= stream.length; cut += 1) {
      assert.deepEqual(read([stream.subarray(0, cut), stream.subarray(cut)]), [FIRST, SECOND], `cut at ${cut}`);
    }
    assert.deepEqual(read(Array.from(stream, (byte) => Buffer.from([byte]))), [FIRST, SECOND]);
  });

  it('ends a message at an FS without CR when nothing follows or the next message begins', () => {
    const cut = frame(FIRST).subarray(0, -1);
    assert.deepEqual(read([cut]), [FIRST]);
    assert.deepEqual(read([bytes(cut, frame(SECOND))]), [FIRST, SECOND]);
    assert.deepEqual(read([cut, frame(SECOND)]), [FIRST, SECOND]);
    assert.deepEqual(read([bytes(cut, '\n', frame(SECOND))]), [FIRST, SECOND]);
  });

  it('keeps a message whose FS has come without its CR', () => {
    const reader = new FrameReader(1000);
    assert.deepEqual(reader.push(frame(FIRST).subarray(0, -1)), []);
    assert.equal(reader.awaitsCarriageReturn, true);
    assert.deepEqual(reader.push(Buffer.from('\r')), [{ bytes: FIRST, isTooLarge: false }]);
    assert.equal(reader.awaitsCarriageReturn, false);
  });

  it('never passes on a part: an FS inside a message is an error, also at the end of a packet', () => {
    const broken = bytes('\u000b', FIRST, '\u001c', 'OBX|1\r', '\u001c\r');
    thrown(MllpFrameError, () => read([broken]));
    for (let cut = 0; cut <= broken.length; cut += 1) {
      thrown(MllpFrameError, () => read([broken.subarray(0, cut), broken.subarray(cut)]));
    }
  });

  it('skips bytes between frames, and counts all but line breaks', () => {
    const reader = new FrameReader(1000);
    const frames = reader.push(bytes('\r\n', frame(FIRST), '\r\nHELLO', frame(SECOND), '\n'));
    assert.deepEqual(
      frames.map((each) => each.bytes),
      [FIRST, SECOND],
    );
    assert.equal(reader.ignoredBytes, 5);
  });

  it('counts a message without a VT as ignored', () => {
    const reader = new FrameReader(1000);
    assert.deepEqual(reader.push(bytes(FIRST, '\u001c\r')), []);
    assert.ok(reader.ignoredBytes > 0);
  });

  it('drops the first part of a message that the sender restarts', () =>
    assert.deepEqual(read([bytes('\u000b', FIRST.subarray(0, 30), frame(SECOND))]), [SECOND]));

  it('keeps a single VT inside a text', () => {
    const text = bytes(FIRST, 'NTE|1||a line\u000banother\r');
    assert.deepEqual(read([bytes('\u000b', text, '\u001c\r')]), [text]);
  });

  it('keeps only the beginning of a message that is too large, and reads the next one', () => {
    const reader = new FrameReader(10_000);
    const large = Buffer.concat([SECOND, Buffer.alloc(10_000_000, 'x')]);
    const stream = bytes(frame(large), frame(FIRST));
    const frames = [];
    for (let at = 0; at < stream.length; at += 65_536) frames.push(...reader.push(stream.subarray(at, at + 65_536)));
    const [first, second] = frames;
    assert.equal(first?.isTooLarge, true);
    assert.deepEqual(first?.bytes.subarray(0, SECOND.length), SECOND);
    assert.ok((first?.bytes.length ?? 0) <= 4096);
    assert.deepEqual(second, { bytes: FIRST, isTooLarge: false });
  });

  it('accepts a message of exactly the largest size', () => {
    assert.deepEqual(read([frame(FIRST)], FIRST.length), [FIRST]);
    assert.equal(new FrameReader(FIRST.length - 1).push(frame(FIRST))[0]?.isTooLarge, true);
  });

  it('does not frame a message with a byte that MLLP reserves', () => {
    for (const byte of ['\u000b', '\u001c']) {
      const error = thrown(MllpMessageError, () => frame(bytes(FIRST, byte)));
      assert.doesNotMatch(error.message + error.advice, /PID/);
    }
  });
});
