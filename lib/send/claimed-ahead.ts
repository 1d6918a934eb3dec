/** A promise that is begun before anybody needs what it gives. */

/** What is claimed ahead may fail while nobody awaits it yet. */
export function quietly<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

/** Awaits it; from then on it is nobody's. */
export async function takeFrom<T>(promise: Promise<T>, forget: () => void): Promise<T> {
  const value = await promise;
  forget();
  return value;
}
