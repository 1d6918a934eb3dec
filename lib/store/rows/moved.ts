/**
 * Numbers in `schema_version` that no release has: a store that is being copied to, or that was copied elsewhere, is refused
 * by every program, so that a message is never sent from two stores.
 */
export const COPYING = 1_000_001;
export const MOVED = 1_000_002;

/** Why a store of this version may not be opened: message and advice; undefined for a real version. */
export function whyMoved(version: number): { message: string; advice: string } | undefined {
  if (version === COPYING) {
    return {
      message: 'A store is being copied to this one, and it is not whole yet.',
      advice: 'Run nhs-mesh store once more, to its end.',
    };
  }
  if (version !== MOVED) return undefined;
  return {
    message: 'This store was copied to another one, and is used no more.',
    advice: 'Use the other one. To come back, copy it back with nhs-mesh store into an empty place.',
  };
}
