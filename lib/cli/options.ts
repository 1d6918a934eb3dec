/** How every command reads its arguments. */
import { readFile } from 'node:fs/promises';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { ConfigurationError } from '../errors';

type Options = NonNullable<ParseArgsConfig['options']>;
type Parsed<T extends Options> = ReturnType<typeof parseArgs<{ args: string[]; options: T; allowPositionals: true }>>;

/**
 * Returns the options' values and what stands beside them.
 * @throws ConfigurationError for an option that the command does not have; it names the option and the command's help
 */
export function readArguments<T extends Options>(args: string[], options: T, command: string): Parsed<T> {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw new ConfigurationError(error instanceof Error ? error.message : String(error), {
      advice: `nhs-mesh ${command} --help lists the options.`,
    });
  }
}

/** {@link readArguments} of a command that takes options only. @throws ConfigurationError also for any other argument */
export function readOptions<T extends Options>(args: string[], options: T, command: string): Parsed<T>['values'] {
  const { values, positionals } = readArguments(args, options, command);
  if (positionals.length === 0) return values;
  throw new ConfigurationError(`${command} takes no argument ${String(positionals[0])}.`, {
    advice: `nhs-mesh ${command} --help lists the options.`,
  });
}

/** Returns a file's bytes. @throws ConfigurationError that names the option */
export async function fileOf(option: string, path: string): Promise<Buffer> {
  return readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new ConfigurationError(`The file of --${option} cannot be read (${error.code ?? error.name}).`);
  });
}
