#!/usr/bin/env node
/** `npx nhs-mesh <command>`: the tools beside Node-RED, from the first certificate to the evidence for assurance. */
import { packageVersion } from '../config';
import { ConfigurationError, MeshError } from '../errors';
import type { Command } from './command';

/** Each command's summary and its file, which is loaded on use: most commands need little of the library. */
const COMMANDS: Record<string, { about: string; load(): Command }> = {
  sandbox: {
    about: 'runs a MESH server on this machine, for demos and tests',
    load: () => (require('./sandbox') as typeof import('./sandbox')).sandbox,
  },
  csr: {
    about: 'makes a private key and the signing request for a MESH client certificate',
    load: () => (require('./csr') as typeof import('./csr')).csr,
  },
  check: {
    about: 'tests the connection to MESH, step by step',
    load: () => (require('./check') as typeof import('./check')).check,
  },
  conformance: {
    about: 'runs NHS England’s assurance catalogue and writes an evidence pack',
    load: () => (require('./conformance') as typeof import('./conformance')).conformance,
  },
  corpus: {
    about: 'tries a folder of HL7, EDIFACT or FHIR files on the readers of the nodes',
    load: () => (require('./corpus') as typeof import('./corpus')).corpus,
  },
  shadow: {
    about: 'compares what a MESH Client sends with what is made here; reconciles a month',
    load: () => (require('./shadow') as typeof import('./shadow')).shadow,
  },
  adopt: {
    about: 'takes over what a MESH Client has sent, and its configuration',
    load: () => (require('./adopt') as typeof import('./adopt')).adopt,
  },
  cutover: {
    about: 'takes what waits in a MESH Client’s folder into the outbox, by workflow',
    load: () => (require('./cutover') as typeof import('./cutover')).cutover,
  },
  handback: {
    about: 'writes what is queued back into a MESH Client’s folder, by workflow',
    load: () => (require('./handback') as typeof import('./handback')).handback,
  },
  test: {
    about: 'runs the tests of a flow, with the sandbox in the place of MESH',
    load: () => (require('./flow-tests') as typeof import('./flow-tests')).flowTests,
  },
  store: {
    about: 'copies a store between SQLite and PostgreSQL; erases one message',
    load: () => (require('./store') as typeof import('./store')).store,
  },
};

const USAGE = `Usage: nhs-mesh <command> [options]

${Object.entries(COMMANDS)
  .map(([name, { about }]) => `  ${name.padEnd(12)} ${about}`)
  .join('\n')}

nhs-mesh <command> --help lists the options of a command, as does nhs-mesh help <command>. nhs-mesh --version prints the
version. Exit code 2: an argument is missing or wrong.
`;

const isHelp = (argument: string): boolean => argument === '--help' || argument === '-h';

async function main([name, ...args]: string[]): Promise<number> {
  if (name === undefined) {
    process.stderr.write(USAGE);
    return 2;
  }
  if (name === 'help' || isHelp(name)) {
    const about = args.find((argument) => !isHelp(argument));
    if (about !== undefined) return main([about, '--help']);
    process.stdout.write(USAGE);
    return 0;
  }
  if (name === '--version') {
    process.stdout.write(`${packageVersion()}\n`);
    return 0;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name]?.load() : undefined;
  if (!command) {
    process.stderr.write(`There is no command '${name}'.\n\n${USAGE}`);
    return 2;
  }
  if (args.some(isHelp)) {
    process.stdout.write(command.usage);
    return 0;
  }
  try {
    return (await command.run(args)) ?? 0;
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    const hint = error instanceof ConfigurationError ? `nhs-mesh ${name} --help lists the options.` : undefined;
    process.stderr.write(`${[error.message, error.advice, hint].filter(Boolean).join('\n')}\n`);
    return 2;
  }
}

main(process.argv.slice(2)).then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = 1;
  },
);
