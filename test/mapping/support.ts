/** What the tests of maps share. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { validatePayload } from '../../lib/formats/fhir/profiles/validate-payload';
import { readHl7 } from '../../lib/formats/hl7/message';
import { hl7ToFhir, MapCompiler, shippedMap, type MappingReport, type MappingSettings } from '../../lib/mapping';
import { ROOT } from '../harness/node-red';

export type Json = Record<string, unknown>;

/** The systems that the invented messages use. */
export const SYSTEMS = { RXX01: 'https://trust.example.nhs.uk/pas' };

const REFERENCE = process.env['MESH_REFERENCE'] ?? join(ROOT, '..', 'shared', 'reference');
/** NHS England's UK Core definitions; undefined where they are not on this machine. */
export const UK_CORE = [join(REFERENCE, 'fhir-profiles', 'ukcore-r4')].find((folder) => existsSync(folder));

const shipped = new MapCompiler(shippedMap('hl7-to-r4'), 'R4');

/** Maps a message, by the shipped map where none is given. */
export function map(
  message: string,
  settings: MappingSettings = {},
  compiler = shipped,
): { payload: Json; mapping: MappingReport } {
  const { payload, mapping } = hl7ToFhir(readHl7(message), compiler, { systems: SYSTEMS, ...settings });
  return { payload: payload as Json, mapping };
}

/** The resources of a type in a Bundle. */
export function resourcesOf(bundle: Json, type: string): Json[] {
  return (bundle['entry'] as Array<{ resource: Json }>)
    .map(({ resource }) => resource)
    .filter(({ resourceType }) => resourceType === type);
}

/** The first resource of a type in a Bundle. */
export function resourceOf(bundle: Json, type: string): Json {
  const [resource] = resourcesOf(bundle, type);
  assert.ok(resource, `There is no ${type}`);
  return resource;
}

/** What is wrong with a Bundle, as `path: rule`. */
export async function errorsIn(payload: Json, sources: readonly string[] = []): Promise<string[]> {
  const { issues } = await validatePayload({ payload, release: 'R4', profiles: [], sources: [...sources] });
  return issues
    .filter(({ severity }) => severity === 'error')
    .map(({ path, rule, text }) => `${path}: ${rule}: ${text}`);
}
