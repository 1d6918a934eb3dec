/** Finds the release of a FHIR resource: a wrong one gives wrong cardinalities, which nobody notices. */
import { UnreadableError } from '../../errors';
import type { FhirRelease } from './definitions';

/** Releases that can be told apart; only STU3 and R4 can be converted. */
export type AnyFhirRelease = FhirRelease | 'DSTU2' | 'R4B' | 'R5';

/** `fhirVersion` of a conformance resource, and the version in the address of a definition. */
const VERSIONS: ReadonlyArray<[RegExp, AnyFhirRelease]> = [
  [/^(?:0\.|1\.0)/, 'DSTU2'],
  [/^(?:1\.[1-9]|3\.0)/, 'STU3'],
  [/^(?:3\.[1-9]|4\.0)/, 'R4'],
  [/^4\.[1-3]/, 'R4B'],
  [/^[5-9]\./, 'R5'],
];

/**
 * Addresses of profiles and extensions. NHS England and HL7 UK put STU3 into the address; those of their R4 profiles
 * have nothing there. An extension of another release (`…/5.0/StructureDefinition/extension-…`) says nothing, nor does a
 * code system: R4 uses those of STU3.
 */
const ADDRESSES: ReadonlyArray<[RegExp, AnyFhirRelease]> = [
  [/^https?:\/\/(?:fhir\.nhs\.uk|fhir\.hl7\.org\.uk)\/STU3\/(?:Structure|Message|Operation)Definition\//, 'STU3'],
  [/\/StructureDefinition\/(?:\w+-)?CareConnect-/, 'STU3'],
  [/^https?:\/\/fhir\.hl7\.org\.uk\/StructureDefinition\/UKCore-/, 'R4'],
  [/^https?:\/\/fhir\.nhs\.uk\/(?:England\/)?StructureDefinition\//, 'R4'],
  [/^https?:\/\/hl7\.org\/fhir\/us\/core\//, 'R4'],
  [/^https?:\/\/hl7\.org\/fhir\/(?:3\.0|STU3)\/(?!StructureDefinition\/extension-)/, 'STU3'],
  [/^https?:\/\/hl7\.org\/fhir\/(?:4\.0|R4)\/(?!StructureDefinition\/extension-)/, 'R4'],
  [/^https?:\/\/hl7\.org\/fhir\/(?:4\.3|R4B)\/(?!StructureDefinition\/extension-)/, 'R4B'],
  [/^https?:\/\/hl7\.org\/fhir\/(?:5\.0|R5)\/(?!StructureDefinition\/extension-)/, 'R5'],
];

/** Resources that came with R4B and R5. */
const R4B_RESOURCES =
  'AdministrableProductDefinition Citation ClinicalUseDefinition EvidenceReport Ingredient ManufacturedItemDefinition ' +
  'MedicinalProductDefinition NutritionProduct PackagedProductDefinition RegulatedAuthorization SubscriptionStatus ' +
  'SubscriptionTopic SubstanceDefinition';
const R5_RESOURCES =
  'ActorDefinition ArtifactAssessment BiologicallyDerivedProductDispense ConditionDefinition DeviceAssociation ' +
  'DeviceDispense DeviceUsage EncounterHistory FormularyItem GenomicStudy ImagingSelection InventoryItem ' +
  'InventoryReport NutritionIntake Permission RequestOrchestration Requirements TestPlan Transport';
const NEWER = new Map<string, AnyFhirRelease>([
  ...R4B_RESOURCES.split(' ').map((name) => [name, 'R4B'] as const),
  ...R5_RESOURCES.split(' ').map((name) => [name, 'R5'] as const),
]);

/** An address in quotes. Narratives link to pages of any release: those do not count, in JSON with escaped quotes. */
const ADDRESS = /(?<!\b(?:href|src|cite)\s?=\s?\\?)["']\s*(https?:\/\/[^"'\s|\\]{1,300})/gi;

/** Characters of a payload in which profiles are looked for: a bundle has them in its first resources. */
const SEARCHED = 1_000_000;

/**
 * Returns the release that a payload, XML or JSON, says it has: by `fhirVersion`, by the addresses of its profiles, or
 * by resources that only a newer release has. Undefined when it says nothing, or contradicts itself.
 */
export function statedRelease(text: string): AnyFhirRelease | undefined {
  const searched = text.slice(0, SEARCHED);
  const version = /(?:<fhirVersion\s+value=|"fhirVersion"\s*:\s*\[?\s*)["']([\d.]{1,10})/.exec(searched)?.[1];
  if (version !== undefined) return releaseOf(VERSIONS, version);
  const found = new Set<AnyFhirRelease>();
  for (const [, address = ''] of searched.matchAll(ADDRESS)) {
    const release = releaseOf(ADDRESSES, address);
    if (release !== undefined) found.add(release);
  }
  for (const [, inXml, inJson] of searched.matchAll(/<([A-Z]\w{1,60})[\s/>]|"resourceType"\s*:\s*"(\w{1,60})"/g)) {
    const release = NEWER.get(inXml ?? inJson ?? '');
    if (release !== undefined) found.add(release);
  }
  const [only, ...others] = found;
  return others.length === 0 ? only : undefined;
}

const releaseOf = (patterns: ReadonlyArray<[RegExp, AnyFhirRelease]>, text: string): AnyFhirRelease | undefined =>
  patterns.find(([pattern]) => pattern.test(text))?.[1];

/** A conversion, and the release by which it was made. */
export interface Converted<Result> {
  result: Result;
  release: FhirRelease;
  /** Both releases fit, and give different results: nothing in the resource says which it is. */
  isDoubtful: boolean;
}

/**
 * Converts a payload by the release that it states; if it states none, by the one that fits; if both fit, by STU3.
 * @throws UnreadableError when it is of another release, or neither fits
 */
export function convertByRelease<Result>(
  payload: string | Buffer | Record<string, unknown>,
  convert: (release: FhirRelease) => Result,
): Converted<Result> {
  const text =
    typeof payload === 'string'
      ? payload
      : Buffer.isBuffer(payload)
        ? // Without the other halves of UTF-16.
          payload.toString('latin1').replaceAll('\0', '')
        : JSON.stringify(payload);
  const stated = statedRelease(text);
  if (stated === 'STU3' || stated === 'R4') return { result: convert(stated), release: stated, isDoubtful: false };
  if (stated !== undefined) {
    throw new UnreadableError(`The resource is FHIR ${stated}, which is not supported here: STU3 and R4 are.`, {
      advice: 'Have the sender send R4, or pass the resource on without converting it.',
    });
  }
  const [stu3, r4] = [attempt(() => convert('STU3')), attempt(() => convert('R4'))];
  if ('error' in stu3) {
    if ('error' in r4) throw stu3.error;
    return { result: r4.result, release: 'R4', isDoubtful: false };
  }
  const isDoubtful = !('error' in r4) && JSON.stringify(stu3.result) !== JSON.stringify(r4.result);
  return { result: stu3.result, release: 'STU3', isDoubtful };
}

function attempt<Result>(work: () => Result): { result: Result } | { error: UnreadableError } {
  try {
    return { result: work() };
  } catch (error) {
    if (error instanceof UnreadableError) return { error };
    throw error;
  }
}
