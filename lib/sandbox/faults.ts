/** Faults on demand. */
import { z } from 'zod';
import { ConfigurationError } from '../errors';
import type { SandboxFaultEffect } from './types';

const effectSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('status'),
    status: z.int().min(200).max(599),
    headers: z.record(z.string(), z.string()).optional(),
    body: z.unknown().optional(),
    after: z.boolean().optional(),
  }),
  z.strictObject({ kind: z.literal('delay'), ms: z.number().min(0).max(86_400_000) }),
  z.strictObject({ kind: z.literal('drop'), when: z.enum(['before', 'after']) }),
  z.strictObject({ kind: z.literal('truncate'), bytes: z.int().min(0) }),
  z.strictObject({ kind: z.literal('corrupt') }),
]);

const faultSchema = z.strictObject({
  operation: z.string().min(1),
  mailboxId: z.string().min(1).optional(),
  // JSON has no Infinity: over HTTP it is null.
  times: z
    .union([z.int().min(1), z.literal(Infinity)])
    .nullable()
    .default(1)
    .transform((times) => times ?? Infinity),
  probability: z.number().min(0).max(1).default(1),
  after: z.int().min(0).default(0),
  effect: effectSchema,
});

type ArmedFault = z.output<typeof faultSchema>;

/** The armed faults, in the order in which they were added. */
export class Faults {
  #armed: ArmedFault[] = [];

  /**
   * Arms a SandboxFault, which may come over HTTP.
   * @throws ConfigurationError when it is not valid
   */
  add(fault: unknown): void {
    const result = faultSchema.safeParse(fault);
    if (!result.success) {
      const issue = result.error.issues[0];
      throw new ConfigurationError(`The fault is not valid: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}.`);
    }
    this.#armed.push(result.data);
  }

  clear(): void {
    this.#armed = [];
  }

  /** Returns the effect of the first fault that matches the request, and counts it. */
  effectOn(operation: string, mailboxId: string | undefined): SandboxFaultEffect | undefined {
    for (const fault of this.#armed) {
      if (fault.operation !== '*' && fault.operation !== operation) continue;
      if (fault.mailboxId !== undefined && fault.mailboxId.toUpperCase() !== mailboxId) continue;
      if (fault.after > 0) {
        fault.after -= 1;
        continue;
      }
      if (fault.probability < 1 && Math.random() >= fault.probability) continue;
      fault.times -= 1;
      if (fault.times <= 0) this.#armed = this.#armed.filter((other) => other !== fault);
      return effectOf(fault);
    }
    return undefined;
  }
}

/** Removes the undefined fields that zod leaves for optional ones. */
function effectOf(fault: ArmedFault): SandboxFaultEffect {
  return Object.fromEntries(
    Object.entries(fault.effect).filter(([, value]) => value !== undefined),
  ) as unknown as SandboxFaultEffect;
}
