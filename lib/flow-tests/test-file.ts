/**
 * A test file: YAML or JSON that says what a flow is given, and what must come of it (docs/flow-tests.md). Its tests run
 * in order in one Node-RED.
 */
import { readFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { z } from 'zod';
import { ConfigurationError } from '../errors';

const DURATION = /^(\d+(?:\.\d+)?)\s*(ms|s|seconds?|m|minutes?|h|hours?|d|days?)$/;
const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `5 days`, `90 s`, `10 minutes`: milliseconds of the test's clock. */
const duration = z.string().transform((text, context) => {
  const [, number, unit = ''] = DURATION.exec(text.trim()) ?? [];
  if (number === undefined) {
    context.addIssue(`“${text}” is no duration, such as “5 days”, “90 s” or “10 minutes”`);
    return z.NEVER;
  }
  return Number(number) * UNIT_MS[unit === 'ms' ? 'ms' : (unit[0] as keyof typeof UNIT_MS)];
});

/** What a value must be: itself, or `{ matches }` a regular expression, `{ contains }` a text, `{ present }` or not. */
const expectedValue = z.union([
  z.strictObject({ matches: z.string() }),
  z.strictObject({ contains: z.string() }),
  z.strictObject({ present: z.boolean() }),
  z.json(),
]);
/** Values by their path in a message, e.g. `payload.resourceType`. */
const expectedValues = z.record(z.string(), expectedValue);

/** Bytes: `text` as it stands, or `file`, beside the test file. */
const content = { text: z.string().optional(), file: z.string().optional() };
const hasOneContent = ({ text, file }: { text?: string | undefined; file?: string | undefined }): boolean =>
  (text === undefined) !== (file === undefined);
const ONE_CONTENT = 'give text or file, one of them';

const given = z.union([
  z.strictObject({ press: z.string() }),
  z.strictObject({
    message: z.strictObject({ to: z.string(), msg: z.record(z.string(), z.json()), file: z.string().optional() }),
  }),
  z.strictObject({ mllp: z.strictObject({ to: z.string(), ...content }).refine(hasOneContent, ONE_CONTENT) }),
  z.strictObject({
    mesh: z
      .strictObject({
        to: z.string(),
        from: z.string(),
        workflow: z.string(),
        subject: z.string().optional(),
        localId: z.string().optional(),
        fileName: z.string().optional(),
        contentType: z.string().optional(),
        ...content,
      })
      .refine(hasOneContent, ONE_CONTENT),
  }),
  z.strictObject({ file: z.strictObject({ path: z.string(), ...content }).refine(hasOneContent, ONE_CONTENT) }),
  z.strictObject({ answer: z.strictObject({ node: z.string(), msg: z.record(z.string(), z.json()) }) }),
  z.strictObject({ wait: duration }),
]);

const snapshot = {
  /** Name of the file in `snapshots/` that the payload must equal, field by field. */
  snapshot: z.string().optional(),
  /** Fields that differ from run to run, e.g. `MSH-7`, `meta.lastUpdated`; `*` stands for any step of a path. */
  ignore: z.array(z.string()).default([]),
};
const longest = duration.default(10 * UNIT_MS.m);

const then = z.union([
  z.literal('nothing else'),
  z.strictObject({
    out: z.strictObject({
      node: z.string(),
      output: z.int().min(1).default(1),
      msg: expectedValues.default({}),
      ...snapshot,
      waitAtMost: longest,
    }),
  }),
  z.strictObject({
    sent: z.strictObject({
      from: expectedValue.optional(),
      to: expectedValue.optional(),
      workflow: expectedValue.optional(),
      subject: expectedValue.optional(),
      localId: expectedValue.optional(),
      fileName: expectedValue.optional(),
      contentType: expectedValue.optional(),
      payload: expectedValue.optional(),
      ...snapshot,
      waitAtMost: longest,
    }),
  }),
  z.strictObject({
    in: z.strictObject({ node: z.string(), msg: expectedValues.default({}), ...snapshot, waitAtMost: longest }),
  }),
  z.strictObject({
    mllpAnswer: z.strictObject({ code: z.string(), text: expectedValue.optional(), waitAtMost: longest }),
  }),
  z.strictObject({ acknowledged: z.strictObject({ workflow: z.string().optional(), waitAtMost: longest }) }),
  z.strictObject({
    error: z.strictObject({ node: z.string().optional(), message: expectedValue, waitAtMost: longest }),
  }),
  z.strictObject({
    status: z.strictObject({
      node: z.string(),
      fill: z.string().optional(),
      text: expectedValue.optional(),
      waitAtMost: longest,
    }),
  }),
]);

// oxlint-disable-next-line unicorn/no-thenable -- a list is no promise, and the word of a test is "then"
const step = { given: z.array(given).default([]), then: z.array(then).default([]) };

const testFile = z.strictObject({
  /** The flow file, beside this one. Default: the flow of the command line. */
  flow: z.string().optional(),
  /** Environment variables that the flow reads. */
  env: z.record(z.string(), z.string()).default({}),
  /** Mailboxes of other organisations, to which the flow sends. */
  mailboxes: z.array(z.string()).default([]),
  tests: z
    .array(
      z.union([
        z.strictObject({ name: z.string(), ...step }).transform(({ name, ...one }) => ({ name, steps: [one] })),
        z.strictObject({ name: z.string(), steps: z.array(z.strictObject(step)).min(1) }),
      ]),
    )
    .min(1),
});

export type Given = z.output<typeof given>;
export type Then = z.output<typeof then>;
export type ExpectedValue = z.output<typeof expectedValue>;
export type FlowTest = z.output<typeof testFile>['tests'][number];

/** A test file that was read. */
export interface TestFile {
  /** Absolute path. */
  path: string;
  /** Absolute path of its flow; undefined: the flow of the command line. */
  flow: string | undefined;
  env: Record<string, string>;
  mailboxes: string[];
  tests: FlowTest[];
}

/**
 * Reads a test file.
 * @param parseYaml turns YAML into a value; it comes with Node-RED
 * @throws ConfigurationError that names the file and each place in it that is wrong
 */
export async function readTestFile(path: string, parseYaml: (text: string) => unknown): Promise<TestFile> {
  const wrong = (what: string): ConfigurationError =>
    new ConfigurationError(`The test file ${basename(path)} cannot be used: ${what}.`, {
      advice: 'docs/flow-tests.md shows the form of a test file.',
    });
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw wrong(`it cannot be read (${error.code ?? error.name})`);
  });
  let value: unknown;
  try {
    value = path.endsWith('.json') ? JSON.parse(text) : parseYaml(text);
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error));
  }
  const parsed = testFile.safeParse(value);
  if (!parsed.success) throw wrong(issuesOf(parsed.error).join('; '));
  const { flow, ...rest } = parsed.data;
  return { path, flow: flow === undefined ? undefined : resolve(dirname(path), flow), ...rest };
}

/** Returns `place: what is wrong` for each issue. Of a choice, the issues of the alternative that is meant are told. */
function issuesOf(error: z.ZodError, at: ReadonlyArray<PropertyKey> = []): string[] {
  return error.issues.flatMap((issue) => {
    const place = [...at, ...issue.path];
    if (issue.code === 'invalid_union' && issue.errors.length > 0) {
      // The alternative that has the key is the one that was meant.
      const meant = issue.errors.find((each) =>
        each.every(({ path, code }) => path.length > 0 && code !== 'invalid_union'),
      );
      const nested = issue.errors.find((each) => each.every(({ path }) => path.length > 0));
      const best = meant ?? nested;
      return best ? issuesOf(new z.ZodError(best), place) : [`${place.join('.')}: there is no such step`];
    }
    return [`${place.join('.')}: ${issue.message}`];
  });
}
