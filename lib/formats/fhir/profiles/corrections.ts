/**
 * Known faults of published definitions, taken out when they are loaded. A correction applies to one canonical, one
 * version and one content (the digest of its elements in normal form, so that XML and JSON have the same), and to no
 * other: a later publication is used as it is. docs/validation.md lists them.
 */
import { createHash } from 'node:crypto';
import type { NormalElement, Structure } from './normal';

/** @public */
export interface Correction {
  url: string;
  version: string;
  /** SHA-256 of the elements as published. */
  digest: string;
  /** What is wrong with it, as in docs/validation.md. */
  fault: string;
  isKept: (element: Pick<NormalElement, 'id'>) => boolean;
}

const UNLISTED_CHILDREN =
  'The snapshot lists id, meta, implicitRules and language of Bundle.entry.resource and nothing more, which refuses every element of every entry.';
const isNoChildOfEntry = ({ id }: Pick<NormalElement, 'id'>): boolean =>
  !/^Bundle\.entry(:\w+)?\.resource\.(id|meta|implicitRules|language)$/.test(id);

export const CORRECTIONS: readonly Correction[] = [
  {
    url: 'https://fhir.nhs.uk/STU3/StructureDefinition/ITK-Message-Bundle-1',
    version: '1.1.0',
    digest: '2e7433543d92cc04119630b70d7efafce6c99f4f3447c5e0ef336b3c5bb83f27',
    fault: UNLISTED_CHILDREN,
    isKept: isNoChildOfEntry,
  },
  {
    url: 'https://fhir.nhs.uk/STU3/StructureDefinition/ITK-Document-Bundle-1',
    version: '1.1.0',
    digest: '7a173098ad0ec8d61d7b9338e5a337d10ad74717c1f66ca021f4152ff3d3b585',
    fault: UNLISTED_CHILDREN,
    isKept: isNoChildOfEntry,
  },
  {
    url: 'https://fhir.nhs.uk/STU3/StructureDefinition/ITK-Payload-Bundle-1',
    version: '1.1.0',
    digest: '75a54e83905a66c8a7f56046097b6d2dfade2fbcaec1f903811af09de786aaf5',
    fault: UNLISTED_CHILDREN,
    isKept: isNoChildOfEntry,
  },
  {
    url: 'https://fhir.hl7.org.uk/STU3/StructureDefinition/CareConnect-Patient-1',
    version: '1.2.0',
    digest: '8d83d9dfd17400e0dcac4f3c6fb08c9ee752f19f155e533ee5d86ca70daf4a3f',
    fault: 'The slice other of Patient.name takes every use, official too, so that an official name is in two slices.',
    isKept: ({ id }) => !/^Patient\.name:other(?:\.|$)/.test(id),
  },
];

/** Returns the structure with its known faults taken out. */
export function corrected(structure: Structure): Structure {
  const candidates = CORRECTIONS.filter(({ url, version }) => url === structure.url && version === structure.version);
  if (candidates.length === 0) return structure;
  const digest = digestOf(structure);
  const correction = candidates.find((candidate) => candidate.digest === digest);
  return correction ? { ...structure, elements: structure.elements.filter(correction.isKept) } : structure;
}

/** SHA-256 of the elements in normal form, with keys in order. @public */
export function digestOf({ elements }: Structure): string {
  return createHash('sha256').update(JSON.stringify(elements, inOrder)).digest('hex');
}

function inOrder(_: string, value: unknown): unknown {
  // JSON has no Infinity.
  if (value === Infinity) return '*';
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)));
}
