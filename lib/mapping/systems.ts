/** Names that HL7 v2 messages use for systems, authorities and file types, with what FHIR has for them. */
import { mediaTypeOf } from '../formats/hl7/file-types';

export const NHS_NUMBER_SYSTEM = 'https://fhir.nhs.uk/Id/nhs-number';
export const ODS_SYSTEM = 'https://fhir.nhs.uk/Id/ods-organization-code';

/** Systems of staff numbers, by the authority or the type that a message states. */
export const STAFF_SYSTEMS: Readonly<Record<string, string>> = {
  SDS: 'https://fhir.nhs.uk/Id/sds-user-id',
  GMC: 'https://fhir.hl7.org.uk/Id/gmc-number',
  GMP: 'https://fhir.hl7.org.uk/Id/gmp-number',
  NMC: 'https://fhir.hl7.org.uk/Id/nmc-number',
  GPHC: 'https://fhir.hl7.org.uk/Id/gphc-number',
  HCPC: 'https://fhir.hl7.org.uk/Id/hcpc-number',
};

/** Coding systems by their names in HL7 table 0396 and in British messages. */
const CODE_SYSTEMS: Readonly<Record<string, string>> = {
  SCT: 'http://snomed.info/sct',
  SNM: 'http://snomed.info/sct',
  SNOMED: 'http://snomed.info/sct',
  'SNOMED-CT': 'http://snomed.info/sct',
  'SNOMED CT': 'http://snomed.info/sct',
  LN: 'http://loinc.org',
  LOINC: 'http://loinc.org',
  I10: 'http://hl7.org/fhir/sid/icd-10',
  ICD10: 'http://hl7.org/fhir/sid/icd-10',
  'ICD-10': 'http://hl7.org/fhir/sid/icd-10',
  OPCS4: 'https://fhir.hl7.org.uk/CodeSystem/OPCS-4',
  'OPCS-4': 'https://fhir.hl7.org.uk/CodeSystem/OPCS-4',
  UCUM: 'http://unitsofmeasure.org',
  DMD: 'https://dmd.nhs.uk',
  'DM+D': 'https://dmd.nhs.uk',
  RC: 'http://read.info/readv2',
  READ: 'http://read.info/readv2',
  READ2: 'http://read.info/readv2',
  CTV3: 'http://read.info/ctv3',
};

/** Returns the URI of a coding system that a message names; undefined where neither we nor the settings know one. */
export function codeSystem(
  name: string,
  { systems, localSystem }: { systems: Readonly<Record<string, string>>; localSystem: string },
): string | undefined {
  if (name === '') return undefined;
  const known = systems[name] ?? CODE_SYSTEMS[name.toUpperCase()];
  if (known !== undefined) return known;
  const table = /^HL7(\d{4})$/i.exec(name);
  if (table) return `http://terminology.hl7.org/CodeSystem/v2-${table[1]}`;
  if (/^(?:https?:\/\/|urn:)\S+$/i.test(name)) return name;
  if (/^\d+(?:\.\d+){3,}$/.test(name)) return `urn:oid:${name}`;
  return localSystem === '' ? undefined : localSystem + encodeURIComponent(name);
}

/** Returns the media type of ED's type and subtype (components 2 and 3); undefined if they name none. */
export function contentType(type: string, subtype: string): string | undefined {
  const kind = subtype.trim().toUpperCase();
  const known = mediaTypeOf(kind);
  if (known !== undefined) return known;
  const family = type.trim().toLowerCase();
  return /^(?:application|text|image|audio|video)$/.test(family) && /^[A-Z0-9.+-]+$/.test(kind)
    ? `${family}/${kind.toLowerCase()}`
    : undefined;
}
