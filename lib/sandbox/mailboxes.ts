/** The sandbox's mailboxes and workflows, and the files they can be read from. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { ConfigurationError } from '../errors';
import type { SandboxMailbox, SandboxWorkflow } from './types';

/** The mailboxes that the NHS's sandbox starts with. */
export const DEFAULT_MAILBOXES: readonly SandboxMailbox[] = [
  { mailboxId: 'X26ABC1', name: 'TESTMB1', billingEntity: 'England', odsCode: 'X26', orgCode: 'X26' },
  { mailboxId: 'X26ABC2', name: 'TESTMB2', billingEntity: 'Wales', odsCode: 'X26', orgCode: 'X26' },
  { mailboxId: 'X26ABC3', name: 'TESTMB3', billingEntity: 'England', odsCode: 'X27', orgCode: 'X27' },
].map((mailbox) => Object.assign(mailbox, { password: 'password' }));

/** The workflows that the NHS's sandbox starts with. */
export const DEFAULT_WORKFLOWS: readonly SandboxWorkflow[] = [
  { workflowId: 'TEST_WORKFLOW', senders: ['X26ABC1'], receivers: ['X26ABC2'] },
  { workflowId: 'TEST_WORKFLOW_ACK', senders: ['X26ABC2'], receivers: ['X26ABC1', 'X26ABC3'] },
  { workflowId: 'TEST_WORKFLOW2', senders: ['X26ABC1'], receivers: ['X26ABC1', 'X26ABC2', 'X26ABC3'] },
];

/** A mailbox with defaults applied. */
export type RegisteredMailbox = SandboxMailbox & { name: string; active: boolean };

// Excludes only characters that would break the token, the path or a header.
const MAILBOX_ID = /^(?!.*[:/\\%?#])[!-~]{1,100}$/;

/** The mailboxes by id. */
export class Mailboxes {
  readonly #byId = new Map<string, RegisteredMailbox>();

  /** @throws ConfigurationError when an id is malformed, listed twice, or has no password */
  constructor(mailboxes: readonly SandboxMailbox[]) {
    for (const mailbox of mailboxes) {
      if (this.get(mailbox.mailboxId)) throw new ConfigurationError(`Mailbox ${mailbox.mailboxId} is listed twice.`);
      this.add(mailbox);
    }
  }

  /**
   * Adds a mailbox or replaces the one with its id.
   * @throws ConfigurationError for a malformed id or an empty password
   */
  add(mailbox: SandboxMailbox): void {
    if (!MAILBOX_ID.test(mailbox.mailboxId)) throw new ConfigurationError('A mailbox id is empty or malformed.');
    if (mailbox.password === '') throw new ConfigurationError(`Mailbox ${mailbox.mailboxId} has an empty password.`);
    const mailboxId = mailbox.mailboxId.toUpperCase();
    this.#byId.set(mailboxId, {
      ...mailbox,
      mailboxId,
      name: mailbox.name ?? '',
      active: mailbox.active ?? true,
    });
  }

  /** Finds a mailbox by its id in any case. */
  get(mailboxId: string): RegisteredMailbox | undefined {
    return this.#byId.get(mailboxId.toUpperCase());
  }

  /** @throws ConfigurationError for an unknown mailbox */
  setActive(mailboxId: string, active: boolean): void {
    const mailbox = this.get(mailboxId);
    if (!mailbox) throw new ConfigurationError(`The sandbox has no mailbox ${mailboxId}.`);
    mailbox.active = active;
  }

  /** Returns copies, so that callers cannot change a password here. */
  list(): SandboxMailbox[] {
    return structuredClone([...this.#byId.values()]);
  }
}

const mailboxLine = z
  .object({
    mailbox_id: z.string().min(1),
    mailbox_name: z.string().nullish(),
    billing_entity: z.string().nullish(),
    ods_code: z.string().nullish(),
    org_code: z.string().nullish(),
    org_name: z.string().nullish(),
    password: z.string().min(1),
    active: z.boolean().nullish(),
  })
  .transform((line): SandboxMailbox => {
    const mailbox: SandboxMailbox = { mailboxId: line.mailbox_id, password: line.password };
    if (line.mailbox_name != null) mailbox.name = line.mailbox_name;
    if (line.billing_entity != null) mailbox.billingEntity = line.billing_entity;
    if (line.ods_code != null) mailbox.odsCode = line.ods_code;
    if (line.org_code != null) mailbox.orgCode = line.org_code;
    if (line.org_name != null) mailbox.orgName = line.org_name;
    if (line.active != null) mailbox.active = line.active;
    return mailbox;
  });

const workflowLine = z
  .object({ workflow_id: z.string().min(1), senders: z.array(z.string()), receivers: z.array(z.string()) })
  .transform((line): SandboxWorkflow => ({
    workflowId: line.workflow_id,
    senders: line.senders,
    receivers: line.receivers,
  }));

/**
 * Reads a `mailboxes.jsonl` of the NHS's sandbox: one JSON object a line, with mailbox_id and password, and optionally
 * mailbox_name, billing_entity, ods_code, org_code, org_name, active.
 * @throws ConfigurationError that names the file and the line, and never repeats a line: it may have a password
 */
export function readMailboxFile(path: string): Promise<SandboxMailbox[]> {
  return readLines(path, mailboxLine);
}

/**
 * Reads a `workflows.jsonl`: one JSON object a line, with workflow_id, senders and receivers.
 * @throws ConfigurationError that names the file and the line
 */
export function readWorkflowFile(path: string): Promise<SandboxWorkflow[]> {
  return readLines(path, workflowLine);
}

async function readLines<T>(path: string, schema: z.ZodType<T>): Promise<T[]> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new ConfigurationError(`${path} cannot be read (${error.code ?? error.name}).`);
  });
  const items: T[] = [];
  for (const [index, line] of text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .entries()) {
    if (line.trim() === '') continue;
    items.push(parseLine(line, schema, `${path}, line ${index + 1}`));
  }
  return items;
}

function parseLine<T>(line: string, schema: z.ZodType<T>, where: string): T {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    throw new ConfigurationError(`${where}: not a JSON object.`);
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const field = issue?.path.join('.') ?? '';
  throw new ConfigurationError(`${where}: ${field === '' ? '' : `${field}: `}${issue?.message ?? 'not valid'}.`);
}
