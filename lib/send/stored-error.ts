/** An error as its row keeps it. */
import { MeshError } from '../errors';
import type { StoredError } from '../store/store';

/** Its own words, which carry neither secrets nor patient data; no cause, no stack. */
export function storedError(error: unknown): StoredError {
  if (!(error instanceof MeshError)) return { code: 'MESH_UNEXPECTED', message: 'Something unexpected failed here.' };
  const { code, message, advice, meshCode, event, description } = error;
  return {
    code,
    message,
    ...(advice ? { advice } : {}),
    ...(meshCode ? { meshCode } : {}),
    ...(event ? { event } : {}),
    ...(description ? { description } : {}),
  };
}
