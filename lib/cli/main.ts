#!/usr/bin/env node
/** `npx nhs-mesh <command>`: what is needed beside Node-RED, from the first certificate to the evidence for assurance. */
import { packageVersion } from '../config';
import { MeshError } from '../errors';

// Each command is loaded when it is asked for: help and a signing request need nothing of the client.

interface Command {
  about: string;
  /** Gives the exit code; undefined is 0. Throws MeshError for what a person can put right. */
  run(args: string[]): Promise<number | void>;
}

const COMMANDS: Record<string, Command> = {
  sandbox: {
    about: 'a MESH server on this machine, for trying and testing',
    run: (args) => (require('./sandbox') as typeof import('./sandbox')).runSandbox(args),
  },
  csr: {
    about: 'a private key and the signing request for a MESH client certificate',
    run: (args) => (require('./csr') as typeof import('./csr')).csr(args),
  },
  check: {
    about: 'tests the connection to MESH, step by step',
    run: (args) => (require('./check') as typeof import('./check')).check(args),
  },
  conformance: {
    about: 'runs NHS England’s assurance catalogue and writes an evidence pack',
    run: (args) => (require('./conformance') as typeof import('./conformance')).conformance(args),
  },
  store: {
    about: 'copies a store between SQLite and PostgreSQL; erases one message',
    run: (args) => (require('./store') as typeof import('./store')).store(args),
  },
};

const USAGE = `Usage: nhs-mesh <command> [options]

${Object.entries(COMMANDS)
  .map(([name, { about }]) => `  ${name.padEnd(12)} ${about}`)
  .join('\n')}

nhs-mesh <command> --help lists the options of a command. nhs-mesh --version prints the version.
`;

async function main(args: string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(USAGE);
    return name === undefined ? 2 : 0;
  }
  if (name === '--version') {
    process.stdout.write(`${packageVersion()}\n`);
    return 0;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command) return (await command.run(rest)) ?? 0;
  process.stderr.write(`There is no command of that name.\n\n${USAGE}`);
  return 2;
}

main(process.argv.slice(2)).then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    if (error instanceof MeshError) {
      process.stderr.write(`${[error.message, error.advice].filter(Boolean).join('\n')}\n`);
      process.exitCode = 2;
      return;
    }
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = 1;
  },
);
