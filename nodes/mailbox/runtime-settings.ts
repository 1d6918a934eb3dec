/**
 * `mesh` in settings.js: the settings of the runtime, common to all mailboxes. storage-place.ts and monitoring.ts read
 * them.
 */
import type { NodeAPI } from 'node-red';
import { z } from 'zod';
import { FAIL_HEALTH_WHEN, namedVariable, readVariable, type FailHealthWhen } from '../../lib/index';

/** Returns `mesh` unchecked. */
export function meshSettings(RED: NodeAPI): unknown {
  const { mesh = {} } = RED.settings as { mesh?: unknown };
  return mesh;
}

/** MESH keeps track of a message for this long: until then it may have to be resent, or be acknowledged. */
const MESH_MEMORY_DAYS = 30;
const days = (min: number): z.ZodOptional<z.ZodNumber> => z.number().min(min).optional();

/** Days, with fractions. lib/storage.ts has the defaults. */
export const RETENTION = z.strictObject({
  settledPayloadDays: days(0),
  unsettledPayloadDays: days(MESH_MEMORY_DAYS),
  rowDays: days(MESH_MEMORY_DAYS),
  ledgerDays: days(1),
});

/** Not blank, and no variable that nobody resolved: `storeUrl: process.env.X` with an empty X is no SQLite. */
const filled = z.string().refine((text) => text.trim() !== '' && namedVariable(text) === undefined);

/** All settings. One that is present and undefined is wrong too: `process.env.X` without X. */
export const SETTINGS = z.strictObject({
  storeUrl: filled.exactOptional(),
  spoolFolder: filled.exactOptional(),
  largePayloads: z.enum(['folder', 'database']).exactOptional(),
  largePayloadLimitMiB: z.number().positive().optional(),
  storePatienceSeconds: z.number().default(10),
  retention: RETENTION.optional(),
  /** Serves /mesh/health and /mesh/metrics (monitoring.ts). */
  metrics: z.boolean().optional(),
  /** When /mesh/health answers with 503 (lib/monitor/conditions.ts). */
  failHealthWhen: z.enum(FAIL_HEALTH_WHEN).optional(),
});

/**
 * True when `metrics`, or without it the environment variable MESH_METRICS, asks for monitoring. A mistake in another
 * setting does not matter: monitoring is needed all the more then.
 * @throws ConfigurationError when MESH_METRICS is set and empty
 */
export function wantsMetrics(RED: NodeAPI): boolean {
  const read = z.object({ metrics: SETTINGS.shape.metrics }).safeParse(meshSettings(RED));
  return read.success && (read.data.metrics ?? readVariable('MESH_METRICS') === '1');
}

/** Returns when /mesh/health answers with 503; `stopped` unless `failHealthWhen` says otherwise. */
export function failHealthWhen(RED: NodeAPI): FailHealthWhen {
  const read = z.object({ failHealthWhen: SETTINGS.shape.failHealthWhen }).safeParse(meshSettings(RED));
  return read.data?.failHealthWhen ?? 'stopped';
}
