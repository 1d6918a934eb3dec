/**
 * A sub-command of `nhs-mesh`. Its file exports one; main.ts lists it, loads it on use and prints its usage for --help.
 */
export interface Command {
  /** The text of `--help`, with a line break at its end. */
  readonly usage: string;
  /**
   * Runs the command and returns its exit code; undefined is 0.
   * @throws ConfigurationError for an argument that is missing or wrong; main.ts adds a hint to `--help`
   */
  run(args: string[]): Promise<number | void>;
}
