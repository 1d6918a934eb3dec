/** Puts mapped resources into a Bundle: a message, a transaction for a FHIR server, or a collection. */
import type { FhirObject } from './target';

export type BundleKind = 'message' | 'transaction' | 'collection';

/** A resource of a mapped message. */
export interface MappedResource {
  /** Its name in the map: `Patient`, `Patient:merged`. */
  name: string;
  type: string;
  fullUrl: string;
  resource: FhirObject;
}

/**
 * Returns the Bundle.
 * @param bundle what the map wrote of it: identifier, timestamp
 */
export function toBundle(
  kind: BundleKind,
  { identifier, timestamp }: FhirObject,
  resources: readonly MappedResource[],
  { event }: { event: string },
): FhirObject {
  const isHeader = ({ type }: MappedResource): boolean => type === 'MessageHeader';
  const header = resources.filter(isHeader);
  const rest = resources.filter((each) => !isHeader(each));
  const entries = kind === 'transaction' ? rest : [...header, ...rest];
  return {
    resourceType: 'Bundle',
    ...(identifier === undefined ? {} : { identifier }),
    type: kind,
    ...(timestamp === undefined || kind === 'transaction' ? {} : { timestamp }),
    entry:
      kind === 'transaction'
        ? entries.map((each) => ({ ...entryOf(each), request: requestOf(each, event) }))
        : entries.map(entryOf),
  };
}

const entryOf = ({ fullUrl, resource }: MappedResource): FhirObject => ({ fullUrl, resource });

/** Events that say what a patient is now: their Patient replaces the one of the server. */
const UPDATES = new Set(['A08', 'A31', 'A40']);

/**
 * A resource with an identifier in a system is made once: the server looks it up (conditional create), and replaces it
 * where the event is an update (conditional update). Others are new.
 */
function requestOf({ type, resource }: MappedResource, event: string): FhirObject {
  const identifiers = (resource['identifier'] as FhirObject | FhirObject[] | undefined) ?? [];
  const first = [identifiers].flat().find(({ system }) => system !== undefined);
  if (first === undefined) return { method: 'POST', url: type };
  const query = `identifier=${encodeURIComponent(`${String(first['system'])}|${String(first['value'])}`)}`;
  if ((type === 'Patient' && UPDATES.has(event)) || type === 'Encounter') {
    return { method: 'PUT', url: `${type}?${query}` };
  }
  return { method: 'POST', url: type, ifNoneExist: query };
}
