/**
 * Imported before `node:sqlite`, in the worker only: Node 22 and 24 print "SQLite is an experimental feature" when it is
 * loaded, which an operator can do nothing about. That one warning is dropped; every other goes its way. A worker has its
 * own `process` object, so Node-RED's is not touched.
 */
const emitWarning = process.emitWarning.bind(process) as (...args: unknown[]) => void;

process.emitWarning = (warning: string | Error, ...rest: unknown[]): void => {
  if (rest[0] === 'ExperimentalWarning' && String(warning).startsWith('SQLite')) return;
  emitWarning(warning, ...rest);
};
