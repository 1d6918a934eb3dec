/** The state that the endpoints share. */
import type { BodyStore } from './bodies';
import type { SandboxClock } from './clock';
import type { Faults } from './faults';
import type { Mailboxes } from './mailboxes';
import type { Message } from './message';
import type { Messages } from './messages';
import type { RequestLog } from './request-log';
import type { Services } from './responders/services';
import type { UsedTokens } from './used-tokens';
import type { Workflows } from './workflows';

/** The state of one sandbox. */
export interface SandboxContext {
  readonly clock: SandboxClock;
  readonly mailboxes: Mailboxes;
  readonly workflows: Workflows;
  readonly bodies: BodyStore;
  readonly messages: Messages;
  readonly faults: Faults;
  readonly services: Services;
  /** Called with each message that a client has sent, once it is whole. */
  readonly watchers: Set<(message: Message) => void>;
  readonly usedTokens: UsedTokens;
  readonly log: RequestLog;
  readonly sharedKey: string;
  readonly restrictWorkflows: boolean;
  readonly strict: boolean;
  readonly trackingLagMs: number;
  readonly maxRequestBytes: number;
  readonly admin: boolean;
}

/** A message that a client has sent is whole: it is accepted. */
export function arrived(message: Message, { watchers, services }: SandboxContext): void {
  // Before a service collects it, which deletes its bytes.
  for (const watch of watchers) watch(message);
  services.take(message);
}
