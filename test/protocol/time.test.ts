import assert from 'node:assert/strict';
import { compactMinutes, compactSeconds, isoFromMesh, readMeshTime } from '../../lib/protocol/time';

describe('MESH’s times', () => {
  it('are written in UTC, truncated and not rounded', () => {
    const time = new Date('2026-01-02T03:04:59.999Z');
    assert.equal(compactMinutes(time), '202601020304');
    assert.equal(compactSeconds(time), '20260102030459');
  });

  for (const [text, iso] of [
    ['202601020304', '2026-01-02T03:04:00.000Z'],
    ['20260102030405', '2026-01-02T03:04:05.000Z'],
    ['20260102030405123456', '2026-01-02T03:04:05.000Z'],
    ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05.000Z'],
    ['2026-01-02T03:04:05.678901', '2026-01-02T03:04:05.678Z'],
    ['2026-01-02T03:04:05', '2026-01-02T03:04:05.000Z'],
    ['2026-01-02T03:04', '2026-01-02T03:04:00.000Z'],
    ['2026-07-02T03:04:05+01:00', '2026-07-02T02:04:05.000Z'],
    ['2026-01-01T00:30:00+0100', '2025-12-31T23:30:00.000Z'],
    ['2028-02-29T00:00:00Z', '2028-02-29T00:00:00.000Z'],
    ['20280229000000', '2028-02-29T00:00:00.000Z'],
  ] as const) {
    it(`${text} is ${iso}`, () => assert.equal(readMeshTime(text)?.toISOString(), iso));
  }

  for (const text of [
    '',
    'yesterday',
    '2026',
    '20260231000000',
    '20261301000000',
    '20260102250000',
    '2026-02-31T00:00:00Z',
    '2026-02-29T12:00:00',
    '2026-13-01T00:00:00Z',
    '2026-01-02',
    '1/2/2026',
    '99999999999999',
  ]) {
    it(`"${text}" is not a time, and is passed on unchanged`, () => {
      assert.equal(readMeshTime(text), undefined);
      assert.equal(isoFromMesh(text), text);
    });
  }
});
