/**
 * Drops the one warning "SQLite is an experimental feature", which Node 22 and 24 print when `node:sqlite` is loaded
 * and an operator can do nothing about. Imported before `node:sqlite`, in the worker only: a worker has its own
 * `process` object, so Node-RED's is not touched. Every other warning is printed.
 */
const emitWarning = process.emitWarning.bind(process) as (...args: unknown[]) => void;

process.emitWarning = (warning: string | Error, ...rest: unknown[]): void => {
  if (rest[0] === 'ExperimentalWarning' && String(warning).startsWith('SQLite')) return;
  emitWarning(warning, ...rest);
};
