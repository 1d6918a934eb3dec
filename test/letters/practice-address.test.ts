// cspell:disable -- names
import assert from 'node:assert/strict';
import { InvalidMessageError } from '../../lib/errors';
import { gpProviderAddress, isPracticeAddress, type PatientTrace } from '../../lib/letters/practice-address';

const NOW = Date.UTC(2026, 10, 30, 12);
/** Synthetic, of the range that is nobody's. */
const WELL: PatientTrace = { nhsNumber: '9997877896', birthDate: '1980-02-29', surname: 'Patient' };

type Part = keyof PatientTrace;
/** What is written, and what stands in the address for it. */
const TAKEN: Record<Part, ReadonlyArray<[written: string, sent: string]>> = {
  nhsNumber: [
    ['9997877896', '9997877896'],
    ['999 787 7896', '9997877896'],
    ['999-787-7896', '9997877896'],
    ['999\u00a0787\u00a07896', '9997877896'],
    [' 9997877896 ', '9997877896'],
    ['9991742182', '9991742182'],
    ['9999081002', '9999081002'],
    ['9993390755', '9993390755'],
    ['9997938348', '9997938348'],
    ['9997017463', '9997017463'],
    ['9998145384', '9998145384'],
    ['9994019163', '9994019163'],
    ['9993307661', '9993307661'],
    ['9990000050', '9990000050'],
  ],
  birthDate: [
    ['1980-02-29', '19800229'],
    ['19800229', '19800229'],
    ['198002291130', '19800229'],
    ['19800229113000', '19800229'],
    ['19800229113000.000', '19800229'],
    ['19800229000000+0100', '19800229'],
    ['1980-02-29T11:30:00+00:00', '19800229'],
    ['1980-02-29T00:00:00Z', '19800229'],
    [' 1980-02-29 ', '19800229'],
    ['2000-02-29', '20000229'],
    ['1900-01-01', '19000101'],
    ['2026-11-30', '20261130'],
    ['2025-12-31', '20251231'],
  ],
  surname: [
    ['Patient', 'Patient'],
    ['PATIENT', 'PATIENT'],
    ['patient', 'patient'],
    ['  Patient ', 'Patient'],
    ["O'Brien", "O'Brien"],
    ['O\u2019Brien', "O'Brien"],
    ['O\u2018Brien', "O'Brien"],
    ['O\u02bcBrien', "O'Brien"],
    ['O`Brien', "O'Brien"],
    ['O\u00b4Brien', "O'Brien"],
    ['Smith-Jones', 'Smith-Jones'],
    ['Smith\u2013Jones', 'Smith-Jones'],
    ['Smith\u2010Jones', 'Smith-Jones'],
    ['Smith - Jones', 'Smith-Jones'],
    ['de  la\tCruz', 'de la Cruz'],
    ['van\u00a0Dyk', 'van Dyk'],
    ['St. John', 'St. John'],
    ['Müller', 'Muller'],
    ['Mu\u0308ller', 'Muller'],
    ['Núñez', 'Nunez'],
    ['Świątek', 'Swiatek'],
    ['Łukasz', 'Lukasz'],
    ['Ørsted', 'Orsted'],
    ['Æthelred', 'AEthelred'],
    ['Weiß', 'Weiss'],
    ['Þórsdóttir', 'THorsdottir'],
    ['Đorđević', 'Dordevic'],
    ['Çelik', 'Celik'],
    ['Yılmaz', 'Yilmaz'],
    ["D'Arcy-O’Neill", "D'Arcy-O'Neill"],
    ['XXTESTPATIENT1', 'XXTESTPATIENT1'],
    ['X', 'X'],
    ['N'.repeat(69), 'N'.repeat(69)],
  ],
};
/** What names nobody. */
const REFUSED: Record<Part, readonly string[]> = {
  nhsNumber: [
    '',
    '   ',
    '""',
    '9997877897',
    '9991742181',
    '9990000051',
    '9993309755',
    '9994109163',
    '9990001090',
    '9990001094',
    '9990001099',
    '999787789',
    '99978778960',
    '0000000000',
    '1111111111',
    '9999999999',
    '999787789X',
    '９９９７８７７８９６',
    '9997877896_',
  ],
  birthDate: [
    '',
    '""',
    '1980',
    '1980-02',
    '198002',
    '1980-02-30',
    '1979-02-29',
    '1980-13-01',
    '1980-00-10',
    '19800000',
    '29/02/1980',
    '29021980',
    '1899-12-31',
    '0980-02-28',
    '2026-12-02',
    '2106-02-28',
    '80-02-29',
  ],
  surname: [
    '',
    '   ',
    '""',
    "'",
    '-',
    'Pat_ient',
    'Pat\u0000ient',
    'Patient/',
    'http://x',
    'Иванов',
    '李',
    '<b>',
    'N'.repeat(70),
  ],
};

describe('the address of a patient’s practice', () => {
  const vectors: Array<{ part: Part; written: string; sent?: string }> = [];
  for (const part of ['nhsNumber', 'birthDate', 'surname'] as const) {
    for (const [written, sent] of TAKEN[part]) vectors.push({ part, written, sent });
    for (const written of REFUSED[part]) vectors.push({ part, written });
  }

  it('is tried with at least 100 vectors', () => assert.ok(vectors.length >= 100, String(vectors.length)));

  for (const { part, written, sent } of vectors) {
    const patient = { ...WELL, [part]: written };
    if (sent === undefined) {
      it(`is refused for the ${part} ${JSON.stringify(written)}, by the part’s name and not its value`, () =>
        assert.throws(
          () => gpProviderAddress(patient, { now: NOW }),
          (error: Error) => {
            assert.ok(error instanceof InvalidMessageError);
            assert.match(error.message, /^The patient’s (NHS number|date of birth|surname) cannot be used/);
            const text = `${error.message} ${error.advice}`;
            assert.ok(written.trim().length < 4 || !text.includes(written.trim()));
            return true;
          },
        ));
    } else {
      it(`has for the ${part} ${JSON.stringify(written)} the part ${sent}`, () => {
        const parts = { nhsNumber: '9997877896', birthDate: '19800229', surname: 'Patient', [part]: sent };
        const to = gpProviderAddress(patient, { now: NOW });
        assert.equal(to, `GPPROVIDER_${parts.nhsNumber}_${parts.birthDate}_${parts.surname}`);
        assert.ok(to.length <= 100 && isPracticeAddress(to));
      });
    }
  }

  it('has the birth date’s digits in the order of the workflow’s profile', () =>
    assert.equal(gpProviderAddress(WELL, { order: 'ddmmyyyy', now: NOW }), 'GPPROVIDER_9997877896_29021980_Patient'));
});
