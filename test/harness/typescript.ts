import { join } from 'node:path';

/** Arguments of a Node.js that loads TypeScript as the tests do. */
export const LOAD_TYPESCRIPT: readonly string[] = [
  '--require',
  join(__dirname, '..', '..', 'scripts', 'typescript.cjs'),
];
