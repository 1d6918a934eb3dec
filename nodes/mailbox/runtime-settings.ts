/** `mesh` of settings.js: what holds for the runtime and all mailboxes. storage-place.ts and monitoring.ts use it. */
import type { NodeAPI } from 'node-red';
import { z } from 'zod';

/** As it stands there, not checked. */
export function meshSettings(RED: NodeAPI): unknown {
  const { mesh = {} } = RED.settings as { mesh?: unknown };
  return mesh;
}

/** What MESH itself forgets after: until then a message may have to be sent again, or its answer may come. */
const LEAST_DAYS = 30;
const days = (least: number): z.ZodOptional<z.ZodNumber> => z.number().min(least).optional();

/** Days, with fractions. What is left out is kept as long as lib/storage.ts has it. */
export const RETENTION = z.strictObject({
  settledPayloadDays: days(0),
  unsettledPayloadDays: days(LEAST_DAYS),
  rowDays: days(LEAST_DAYS),
  ledgerDays: days(1),
});

/** Everything that there is in it. */
export const SETTINGS = z.strictObject({
  storeUrl: z.string().optional(),
  spoolFolder: z.string().optional(),
  largePayloads: z.enum(['folder', 'database']).optional(),
  largePayloadLimitMiB: z.number().positive().optional(),
  storePatienceSeconds: z.number().default(10),
  retention: RETENTION.optional(),
  /** Whether /mesh/health and /mesh/metrics are served: monitoring.ts. */
  metrics: z.boolean().optional(),
});

/**
 * What `metrics` says, or the environment's MESH_METRICS where it is left out. Whatever else is wrong in the settings: what is
 * monitored is then the more wanted.
 */
export function wantsMetrics(RED: NodeAPI): boolean {
  const read = z.object({ metrics: SETTINGS.shape.metrics }).safeParse(meshSettings(RED));
  return read.success && (read.data.metrics ?? process.env['MESH_METRICS'] === '1');
}
