/** The state that the endpoints share. */
import type { BodyStore } from './bodies';
import type { SandboxClock } from './clock';
import type { Faults } from './faults';
import type { Mailboxes } from './mailboxes';
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
  readonly usedTokens: UsedTokens;
  readonly log: RequestLog;
  readonly sharedKey: string;
  readonly restrictWorkflows: boolean;
  readonly strict: boolean;
  readonly trackingLagMs: number;
  readonly maxRequestBytes: number;
  readonly admin: boolean;
}
