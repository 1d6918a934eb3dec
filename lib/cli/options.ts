/** Parses the arguments of every command. */
import { readFile } from 'node:fs/promises';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { ConfigurationError } from '../errors';

type Options = NonNullable<ParseArgsConfig['options']>;
type Parsed<T extends Options> = ReturnType<
  typeof parseArgs<{ args: string[]; options: T; allowPositionals: true; tokens: true }>
>;

/**
 * Returns the values of the options, and the other arguments.
 * @param most how many other arguments the command takes
 * @throws ConfigurationError that names every wrong argument: an option that is unknown, repeated, without its value,
 *   with a blank one or with one that it does not take, and each argument too many
 */
export function readArguments<T extends Options>(args: string[], options: T, most: number): Parsed<T> {
  // Not Node's strict mode: it names the first wrong argument only.
  const parsed = parseArgs({ args, options, allowPositionals: true, tokens: true, strict: false });
  const seen = new Set<string>();
  let positional = 0;
  const faults = parsed.tokens.flatMap((token) => {
    if (token.kind === 'option-terminator') return [];
    if (token.kind === 'positional') {
      if (token.value.trim() === '') return 'An argument is empty. Is the variable set that it comes from?';
      positional += 1;
      return positional > most ? `Unexpected argument '${token.value}'.` : [];
    }
    const { name, rawName, value, inlineValue } = token;
    const option = Object.hasOwn(options, name) ? options[name] : undefined;
    if (option === undefined) return `Unknown option '${rawName}'.`;
    if (seen.has(name) && option.multiple !== true) return `${rawName} must be used once only.`;
    seen.add(name);
    if (option.type === 'boolean') return value === undefined ? [] : `${rawName} takes no value.`;
    // What follows is the next option: the value was left out.
    if (value === undefined || (!inlineValue && /^-./.test(value))) return `${rawName} needs a value.`;
    return value.trim() === '' ? `${rawName} has an empty value. Is the variable set that it comes from?` : [];
  });
  if (faults.length > 0) throw new ConfigurationError(faults.join(' '));
  // Checked above: every value has the type of its option.
  return parsed as unknown as Parsed<T>;
}

/**
 * Returns the values of the options, for a command without other arguments.
 * @throws ConfigurationError like {@link readArguments}
 */
export function readOptions<T extends Options>(args: string[], options: T): Parsed<T>['values'] {
  return readArguments(args, options, 0).values;
}

/** @throws ConfigurationError that names every one of these options that is missing */
export function requireOptions<T extends Record<string, unknown>, Name extends keyof T & string>(
  values: T,
  ...names: Name[]
): asserts values is T & Record<Name, NonNullable<T[Name]>> {
  const missing = names.filter((name) => values[name] === undefined);
  if (missing.length === 0) return;
  throw new ConfigurationError(missing.map((name) => `--${name} is required.`).join(' '));
}

/** @throws ConfigurationError that names the options that are given and do not belong to `action` */
export function refuseOptions(action: string, values: Record<string, unknown>, names: readonly string[]): void {
  const given = names.filter((name) => values[name] !== undefined);
  if (given.length === 0) return;
  throw new ConfigurationError(given.map((name) => `--${name} is not an option of ${action}.`).join(' '));
}

/**
 * Returns the bytes of the file that an option names.
 * @throws ConfigurationError that names the option and the file, when it cannot be read
 */
export async function readOptionFile(option: string, path: string): Promise<Buffer> {
  return readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw unreadable(option, path, error);
  });
}

/** Returns the error for a file of an option that cannot be read. */
export function unreadable(option: string, path: string, error: NodeJS.ErrnoException): ConfigurationError {
  return new ConfigurationError(`The file of --${option} cannot be read: ${path} (${error.code ?? error.name}).`);
}
