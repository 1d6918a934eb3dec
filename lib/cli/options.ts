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
 * @throws ConfigurationError for an unknown option, or one without its value or with a blank one; it names the option
 */
export function readArguments<T extends Options>(args: string[], options: T): Parsed<T> {
  const parsed = parse(args, options);
  // Typed for each option, which differ only in their names.
  for (const { value, rawName } of parsed.tokens as Array<{ value?: string; rawName?: string }>) {
    if (value === undefined || value.trim() !== '') continue;
    const what = rawName === undefined ? 'An argument is empty' : `${rawName} has an empty value`;
    throw new ConfigurationError(`${what}. Is the variable set that it comes from?`);
  }
  return parsed;
}

function parse<T extends Options>(args: string[], options: T): Parsed<T> {
  try {
    return parseArgs({ args, options, allowPositionals: true, tokens: true });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    // Node also explains how to pass such a text as an argument; no command takes one.
    throw new ConfigurationError(message.replace(/\. To specify a positional argument .*$/s, '.'));
  }
}

/**
 * Returns the values of the options, for a command without other arguments.
 * @throws ConfigurationError like {@link readArguments}, and for any other argument
 */
export function readOptions<T extends Options>(args: string[], options: T): Parsed<T>['values'] {
  const { values, positionals } = readArguments(args, options);
  refuseArguments(positionals);
  return values;
}

/** @throws ConfigurationError that names the first of the arguments, if there is any */
export function refuseArguments(positionals: readonly string[]): void {
  const [first] = positionals;
  if (first !== undefined) throw new ConfigurationError(`Unexpected argument '${first}'.`);
}

/**
 * Returns the bytes of the file that an option names.
 * @throws ConfigurationError that names the option, when the file cannot be read
 */
export async function readOptionFile(option: string, path: string): Promise<Buffer> {
  return readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new ConfigurationError(`The file of --${option} cannot be read (${error.code ?? error.name}).`);
  });
}
