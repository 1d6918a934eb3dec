/** What every command does with its arguments. */
import { readFile } from 'node:fs/promises';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { ConfigurationError } from '../errors';

type Options = NonNullable<ParseArgsConfig['options']>;
type Parsed<T extends Options> = ReturnType<typeof parseArgs<{ args: string[]; options: T }>>['values'];

/** The options' values. Throws ConfigurationError, with the usage, for an option that there is not. */
export function readOptions<T extends Options>(args: string[], options: T, command: string): Parsed<T> {
  try {
    return parseArgs({ args, options }).values;
  } catch (error) {
    throw new ConfigurationError(error instanceof Error ? error.message : String(error), {
      advice: `nhs-mesh ${command} --help tells the options.`,
    });
  }
}

/** A file's bytes. Throws ConfigurationError that names the option. */
export async function fileOf(option: string, path: string): Promise<Buffer> {
  return readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new ConfigurationError(`The file of --${option} cannot be read (${error.code ?? error.name}).`);
  });
}
