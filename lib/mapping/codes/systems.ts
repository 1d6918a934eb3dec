/** Code systems by the names that people and HL7 v2 use for them. */

export const SNOMED_CT = 'http://snomed.info/sct';
export const LOINC = 'http://loinc.org';
/** FHIR UK Core. dm+d's codes are SNOMED CT's, and are sent under that system, too. */
export const DMD = 'https://dmd.nhs.uk';

/** Upper case. SCT and LN are of HL7 table 0396; the object identifiers of HL7's registry. */
const NAMES = new Map([
  ['SNOMED CT', SNOMED_CT],
  ['SNOMED', SNOMED_CT],
  ['SCT', SNOMED_CT],
  ['URN:OID:2.16.840.1.113883.6.96', SNOMED_CT],
  ['2.16.840.1.113883.6.96', SNOMED_CT],
  ['LOINC', LOINC],
  ['LN', LOINC],
  ['URN:OID:2.16.840.1.113883.6.1', LOINC],
  ['2.16.840.1.113883.6.1', LOINC],
  ['DM+D', DMD],
  ['DMD', DMD],
]);

/** Returns the URI of a code system that is known by a short name or object identifier; any other text as it is, trimmed. */
export function systemUri(name: string): string {
  const trimmed = name.trim();
  return NAMES.get(trimmed.toUpperCase()) ?? trimmed;
}
