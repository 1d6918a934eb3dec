import assert from 'node:assert/strict';
import { readXml } from '../../../lib/formats/fhir/profiles/read-xml';

const read = (inner: string): ReturnType<typeof readXml> =>
  readXml(`<Patient xmlns="http://hl7.org/fhir">${inner}</Patient>`, 'R4');

describe('FHIR XML for the validator', () => {
  it('is read like the converter does where it is right', () => {
    const { resource, issues } = read(
      '<id value="1"/><active value="true"/><name id="n"><family value="A"><extension url="u"><valueInteger value="7"/></extension></family><given value="B"/><given value="C"/></name>',
    );
    assert.deepEqual(resource, {
      resourceType: 'Patient',
      id: '1',
      active: true,
      name: [{ id: 'n', family: 'A', _family: { extension: [{ url: 'u', valueInteger: 7 }] }, given: ['B', 'C'] }],
    });
    assert.deepEqual(issues, []);
  });

  it('has elements in another order as an issue, at the element', () => {
    const { issues } = read('<name><given value="B"/><family value="A"/></name><active value="true"/>');
    assert.deepEqual(
      issues.map(({ rule, path, severity }) => [severity, rule, path]),
      [
        ['error', 'order', 'Patient.name[0].family'],
        ['error', 'order', 'Patient.active'],
      ],
    );
  });

  it('has text beside elements as an issue, without the text', () => {
    const { issues } = read('<name>SMITH<family value="A"/></name>');
    assert.deepEqual(
      issues.map(({ rule, path }) => [rule, path]),
      [['text', 'Patient.name[0]']],
    );
    assert.doesNotMatch(JSON.stringify(issues), /SMITH/);
  });

  it('has elements in another namespace, and elements as attributes, as issues', () => {
    const { resource, issues } = read(
      '<name xmlns="urn:x" text="A"><family value="B"/></name><contact gender="male"><name><text value="C"/></name></contact>',
    );
    assert.deepEqual(
      issues.map(({ rule, path }) => [rule, path]),
      [
        ['namespace', 'Patient.name[0]'],
        ['attribute', 'Patient.name[0]'],
        ['namespace', 'Patient.name[0].family'],
        ['attribute', 'Patient.contact[0]'],
      ],
    );
    assert.deepEqual(resource, {
      resourceType: 'Patient',
      name: [{ family: 'B' }],
      contact: [{ name: { text: 'C' } }],
    });
  });

  it('keeps what the converter refuses, for the validator to judge', () => {
    const { resource } = read(
      '<active value="maybe"/><gender value="male"/><gender value="female"/><shoe value="9"/><birthDate/>',
    );
    assert.deepEqual(resource, {
      resourceType: 'Patient',
      active: 'maybe',
      gender: ['male', 'female'],
      shoe: ['9'],
      birthDate: '',
    });
  });
});
