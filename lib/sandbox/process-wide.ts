import type { Sandbox } from './types';

const KEY = Symbol.for('@mesh-flows/node-red-nhs-mesh/built-in-sandbox');

/** Where the sandbox of the process stands, so that it outlives reloads of the modules that use it. */
export const processWide = globalThis as { [KEY]?: Promise<Sandbox> | undefined };
export { KEY as BUILT_IN_SANDBOX };
