/** Environment variables as settings: an empty or unresolved one is an error, never a default (docs/design.md, rule 16). */
import { ConfigurationError } from './errors';

/** Returns the variable that a text names and nothing else, `${VAR}` or Node-RED's older `$(VAR)`. */
export function namedVariable(text: string): string | undefined {
  const found = /^\s*\$(?:\{(\S+)\}|\((\S+)\))\s*$/.exec(text);
  return found?.[1] ?? found?.[2];
}

/**
 * Returns the value of an environment variable, untrimmed; undefined when it is not set.
 * @throws ConfigurationError when it is set and blank, or holds the name of another variable that nobody resolved
 */
export function readVariable(name: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
  const value = env[name];
  if (value === undefined) return undefined;
  const problem =
    value.trim() === '' ? 'is empty' : namedVariable(value) === undefined ? undefined : 'holds an unresolved variable';
  if (problem === undefined) return value;
  throw new ConfigurationError(`The environment variable ${name} ${problem}.`, {
    advice: 'Give it a value, or remove it: an empty one is never taken for the default.',
  });
}
