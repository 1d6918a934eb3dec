import { deepEqual, equal, throws } from 'node:assert/strict';
import { compileFhirPath, type Environment } from '../../../lib/formats/fhir/fhirpath/evaluate';
import { FhirPathError } from '../../../lib/formats/fhir/fhirpath/parse';

const patient = {
  resourceType: 'Patient',
  id: 'p1',
  active: true,
  name: [
    { use: 'official', family: 'Sample', given: ['Ann', 'Bea'] },
    { use: 'usual', given: ['Annie'] },
  ],
  birthDate: '1980-02-01',
  _birthDate: { extension: [{ url: 'https://example.org/time', valueDateTime: '1980-02-01T10:00:00Z' }] },
  deceasedBoolean: false,
  multipleBirthInteger: 2,
  contained: [{ resourceType: 'Organization', id: 'o1' }],
  managingOrganization: { reference: '#o1' },
};

const environment = (steps = 10_000): Environment => {
  let left = steps;
  return {
    resource: patient,
    rootResource: patient,
    resolve: (reference) => patient.contained.find(({ id }) => `#${id}` === reference),
    baseOf: (type) => ({ Patient: 'DomainResource', Organization: 'DomainResource', DomainResource: 'Resource' })[type],
    isNarrativeAllowed: () => true,
    isMember: () => undefined,
    conforms: () => true,
    spend: (count) => {
      left -= count;
      if (left < 0) throw new RangeError('steps');
    },
  };
};

const evaluate = (expression: string): unknown[] =>
  compileFhirPath(expression)
    .evaluate({ value: patient, type: 'Patient' }, environment())
    .map(({ value }) => value);

describe('FHIRPath', () => {
  const cases: ReadonlyArray<[string, unknown[]]> = [
    ['name.given', ['Ann', 'Bea', 'Annie']],
    ['Patient.name.family', ['Sample']],
    ["name.where(use = 'official').given.first()", ['Ann']],
    ['name[1].given', ['Annie']],
    ['name.given.count() = 3', [true]],
    ['deceased', [false]],
    ['deceased is boolean', [true]],
    ['multipleBirth is boolean', [false]],
    ['(multipleBirth as integer) + 1', [3]],
    ['birthDate < @1990', [true]],
    ['birthDate <= @1980-02', []],
    ['birthDate.extension.value', ['1980-02-01T10:00:00Z']],
    ["birthDate.extension('https://example.org/time').exists()", [true]],
    ['managingOrganization.resolve().id', ['o1']],
    ['managingOrganization.resolve() is Organization', [true]],
    ['managingOrganization.resolve() is DomainResource', [true]],
    ["'#' + contained.id in %resource.descendants().reference", [true]],
    ["contained.where(('#'+id in %resource.descendants().reference).not()).empty()", [true]],
    ['photo.empty() and active', [true]],
    ['photo.exists() implies false', [true]],
    ['active xor deceased', [true]],
    ['{} or active', [true]],
    ['{} and active', []],
    ["name.all(use in ('official' | 'usual'))", [true]],
    ['name.given.isDistinct()', [true]],
    ["birthDate.matches('^[0-9-]+$')", [true]],
    ['id.substring(1).toInteger() >= 1', [true]],
    ["iif(active, 'yes', 'no')", ['yes']],
    ['(1 | 2 | 2).count()', [2]],
    ['-1 + 2 * 3', [5]],
    ["'a\\'b'", ["a'b"]],
    ['name.select(given.first() & family)', ['AnnSample', 'Annie']],
    ["trace('x').id", ['p1']],
    ['`name`.family', ['Sample']],
    ['name.repeat(given).count()', [3]],
    ["birthDate.replaceMatches('-(\\d+)', '/$1').toString().length()", [10]],
    ["('a' + 'b').matches('^b')", [false]],
    ['hasValue()', [false]],
    ['active.hasValue()', [true]],
  ];
  for (const [expression, expected] of cases.filter(([text]) => !text.includes("''"))) {
    it(`evaluates ${expression}`, () => deepEqual(evaluate(expression), expected));
  }

  it('does not take an empty result for true', () => {
    equal(compileFhirPath('photo.title = 1').isTrue({ value: patient }, environment()), false);
  });

  it('refuses what it does not support, when it is compiled', () => {
    for (const text of ['name.', 'name.unheard()', '%unheard', '4 days', 'name)', "'open", '('.repeat(300)]) {
      throws(() => compileFhirPath(text), FhirPathError, text);
    }
  });

  it('ends with its budget, however often an expression goes over what', () => {
    const wide = { list: Array.from({ length: 300 }, (_, id) => ({ id })) };
    const path = compileFhirPath('list.where(%context.list.where(%context.list.where(id = 1).exists()).exists())');
    throws(() => path.evaluate({ value: wide }, environment(100_000)), RangeError);
  });

  it('does not take statusReason for a choice of status', () => {
    const value = { statusReason: [{ text: 'x' }], valueString: 'y' };
    const of = (text: string): unknown[] =>
      compileFhirPath(text)
        .evaluate({ value }, environment())
        .map((item) => item.value);
    deepEqual([of('status'), of('value')], [[], ['y']]);
  });
});
