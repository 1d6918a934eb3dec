import assert from 'node:assert/strict';
import { LOINC, SNOMED_CT } from '../../../lib/mapping/codes/systems';
import { ASTHMA, DIABETES, GLUCOSE_LOINC, places, read, tableOf } from './support';

/** A ConceptMap of STU3 and R4 alike. */
const conceptMap = (element: object[], group: object = {}): string =>
  JSON.stringify({
    resourceType: 'ConceptMap',
    version: '3.1',
    status: 'active',
    group: [{ source: 'urn:local', target: SNOMED_CT, element, ...group }],
  });
const to = (code: string, equivalence?: string): object => ({ code, ...(equivalence && { equivalence }) });

describe('code tables from ConceptMap', () => {
  it('have its version, systems, displays and equivalences', async () => {
    const table = await tableOf(
      conceptMap([{ code: 'DM', target: [{ code: DIABETES, display: 'Diabetes mellitus', equivalence: 'wider' }] }]),
    );
    assert.equal(table.version, '3.1');
    const { priority: _, ...found } = table.look('urn:local', 'DM') ?? { code: '' };
    assert.deepEqual(found, { system: SNOMED_CT, code: DIABETES, display: 'Diabetes mellitus', equivalence: 'wider' });
    assert.equal(table.look('urn:other', 'DM'), undefined);
  });

  it('know several groups, each with its systems', async () => {
    const map = JSON.parse(conceptMap([{ code: 'DM', target: [to(DIABETES)] }])) as { group: object[] };
    map.group.push({ source: 'urn:lab', target: LOINC, element: [{ code: 'DM', target: [to(GLUCOSE_LOINC)] }] });
    const table = await tableOf(JSON.stringify(map));
    assert.equal(table.look('urn:lab', 'DM')?.system, LOINC);
    assert.deepEqual(table.find(undefined, 'DM'), { outcome: 'ambiguous' });
  });

  it('say that a code is unmatched, and that one without targets is unknown', async () => {
    const table = await tableOf(
      conceptMap([
        { code: 'A', target: [{ equivalence: 'unmatched' }] },
        { code: 'B', target: [to(DIABETES, 'disjoint')] },
        { code: 'C' },
      ]),
    );
    assert.equal(table.find('urn:local', 'A').outcome, 'unmatched');
    assert.equal(table.find('urn:local', 'B').outcome, 'unmatched');
    assert.equal(table.find('urn:local', 'C').outcome, 'unknown');
  });

  it('refuse several targets, or take the closest; equally close ones are refused by their place', async () => {
    const both = conceptMap([{ code: 'A', target: [to(ASTHMA, 'narrower'), to(DIABETES, 'equivalent')] }]);
    assert.deepEqual(places((await read(both)).errors), ['group[0].element[0].code unique']);
    assert.equal((await tableOf(both, { several: 'priority' })).look(undefined, 'A')?.code, DIABETES);
    const equal = conceptMap([{ code: 'A', target: [to(ASTHMA, 'narrower'), to(DIABETES, 'narrower')] }]);
    assert.equal((await read(equal, { several: 'priority' })).errorCount, 1);
    const twice = conceptMap([
      { code: 'A', target: [to(ASTHMA)] },
      { code: 'A', target: [to(ASTHMA)] },
    ]);
    assert.deepEqual(places((await read(twice)).errors), ['group[0].element[1].code unique']);
  });

  it('leave out a target that depends on other values, with a warning', async () => {
    const dependent = { code: DIABETES, dependsOn: [{ property: 'urn:sex', value: 'f' }] };
    const { table, warnings } = await read(
      conceptMap([
        { code: 'A', target: [dependent] },
        { code: 'B', target: [to(ASTHMA)] },
      ]),
    );
    assert.equal(table?.find('urn:local', 'A').outcome, 'unknown');
    assert.deepEqual(places(warnings), ['group[0].element[0].target.dependsOn depends-on']);
  });

  it('answer codes that they do not have as "unmapped" prescribes, and mark that', async () => {
    const element = [{ code: 'A', target: [to(ASTHMA)] }];
    const fixed = await tableOf(conceptMap(element, { unmapped: { mode: 'fixed', code: DIABETES } }));
    const found = fixed.find('urn:local', 'Z');
    assert.ok(found.outcome === 'found');
    assert.deepEqual([found.isDefault, found.target.code], [true, DIABETES]);
    assert.equal(fixed.find('urn:other', 'Z').outcome, 'unknown');
    const provided = await tableOf(conceptMap(element, { unmapped: { mode: 'provided' } }));
    assert.equal(provided.look('urn:local', ' Z ')?.code, 'Z');
    const other = await read(conceptMap(element, { unmapped: { mode: 'other-map', url: 'urn:map' } }));
    assert.deepEqual(places(other.warnings), ['group[0].unmapped unmapped']);
  });

  it('refuse half a file, another resource, R5 and a wrong form, without its content', async () => {
    const good = conceptMap([{ code: 'MARKED', target: [to(DIABETES)] }]);
    const bad = [
      good.slice(0, -30),
      good.replace('"ConceptMap"', '"ValueSet"'),
      good.replace('"target":[', '"target":[{"relationship":"equivalent","code":7},'),
      good.replace('"element":[', '"element":["MARKED",'),
    ];
    for (const content of bad) {
      const { table, errors } = await read(content);
      assert.equal(table, undefined);
      assert.equal(errors[0]?.rule, 'concept-map');
      assert.doesNotMatch(JSON.stringify(errors), /MARKED/);
    }
    assert.match((await read(bad[2] ?? '')).errors[0]?.text ?? '', /R5/);
  });

  it('read a byte order mark, and __proto__ as a code like others', async () => {
    const table = await tableOf(`\ufeff ${conceptMap([{ code: '__proto__', target: [to(DIABETES)] }])}`);
    assert.equal(table.look('urn:local', '__proto__')?.code, DIABETES);
    assert.equal(table.look('urn:local', 'constructor'), undefined);
  });
});
