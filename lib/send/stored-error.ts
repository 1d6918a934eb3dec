/** An error as it is kept in a row. */
import { MeshError } from '../errors';
import type { StoredError } from '../store/store';

/** Returns a MESH error's code and texts, which carry neither secrets nor patient data; no cause, no stack. */
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
