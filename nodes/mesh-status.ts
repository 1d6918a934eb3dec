/** mesh-status: monitors one mailbox or all. Reports every change of a condition, and the current state on request. */
import type { Node, NodeAPI, NodeDef } from 'node-red';
import { DEFAULT_LIMITS, openHeartbeat, type Condition, type Heartbeat } from '../lib/index';
import type { ConnectionState } from './mailbox/connection';
import { knownMailboxes, type KnownMailbox } from './mailbox/known-mailboxes';
import { MailboxUser } from './mailbox/mailbox-user';
import { ConditionReporter, type ObservedMailbox } from './monitor/condition-reporter';
import { createNode } from './shared/create-node';
import { forgottenMailboxes } from './monitor/forgotten-mailboxes';
import { onInput } from './shared/on-input';
import { OutputGuard } from './mailbox/output-guard';
import { cleanError } from './shared/report-error';
import { setProperty } from './shared/set-property';
import { numberSetting, textSetting } from './shared/settings';
import { readProxy, readTls } from './shared/tls-and-proxy';
import { errorStatus, setStatus, shortCount, type Status } from './shared/status';

interface MeshStatusDef extends NodeDef {
  version?: number;
  /** `all` mailboxes that other nodes use (default), or `one`. */
  all?: 'one' | 'all';
  mailbox?: string;
  stoppedMinutes?: string | number;
  minFreeGb?: string | number;
  everySeconds?: string | number;
  property?: string;
  heartbeatProxy?: string;
  heartbeatTls?: string;
}

/** The address of a dead man's switch is a secret: who knows it can keep the switch from tripping. */
interface MeshStatusCredentials {
  heartbeat?: unknown;
}

/** The positions of outputs never change: flows are wired to them. */
const CHANGES_OUTPUT = 0;
const MINUTE_MS = 60_000;
/** How long the dead man's switch may take to answer (milliseconds). */
const HEARTBEAT_MS = 10_000;
/** A heartbeat that fails is logged at the first, and then about once an hour. */
const LOG_EVERY_MS = 60 * MINUTE_MS;

const GIB = 1024 ** 3;
/** A day; setInterval cannot wait longer than 24 days. */
const MAX_SECONDS = 24 * 60 * 60;

/** Calls `check` for every change of the connection, instead of showing it. */
class MonitoringUser extends MailboxUser {
  check: (() => void) | undefined;

  override connectionChanged(state: ConnectionState): void {
    if (this.check === undefined || state.kind === 'connecting') super.connectionChanged(state);
    else this.check();
  }
}

export = function (RED: NodeAPI): void {
  function MeshStatus(this: Node<MeshStatusCredentials>, config: MeshStatusDef): void {
    const def = createNode(RED, this, config);
    // A mailbox of its own is opened by this node; `all` monitors only mailboxes that other nodes use.
    const user = def.all !== 'one' ? undefined : new MonitoringUser(RED, this, def.mailbox);
    const show = (status: Status): void => {
      if (user) user.show(status);
      else setStatus(this, status);
    };
    let settings: Settings;
    let heartbeat: Heartbeat | undefined;
    try {
      settings = readSettings(RED, def);
      heartbeat = openHeartbeatOf(RED, this, def);
    } catch (error) {
      if (user) user.fault(error);
      else show(errorStatus(error, 'ring'));
      this.error(cleanError(RED, error));
      this.on('close', (_removed: boolean, done: () => void) => (user ? user.close(done) : done()));
      return;
    }

    const reporter = new ConditionReporter(
      RED,
      () => mailboxes(RED, def),
      settings,
      async () => (def.all === 'one' ? [] : forgottenMailboxes(RED)),
    );
    let blocked: unknown;
    const guard: OutputGuard = new OutputGuard(RED, this, {
      mailbox: def.all === 'one' ? def.mailbox : undefined,
      label: (output) => RED._(`mesh-status.output.${output === CHANGES_OUTPUT ? 'changes' : 'answers'}`),
      onBlocked: (error) => (blocked = error),
      // An alert is not repeated while its condition lasts: where the output loses it, Catch gets it.
      onKept: (msg, about) => this.error((about as Condition).text, { ...msg }),
    });
    let isClosed = false;
    let failedBeats = 0;
    /** Beats unless something has stopped: then the switch is to trip. */
    const beat = async (): Promise<void> => {
      if (heartbeat === undefined || fillOf(reporter.last()) === 'red') return;
      try {
        await heartbeat.beat();
        failedBeats = 0;
      } catch (error) {
        if (isClosed) return;
        const every = Math.max(1, Math.round(LOG_EVERY_MS / settings.everyMs));
        if (failedBeats % every === 0) this.warn(cleanError(RED, error).message);
        failedBeats += 1;
      }
    };
    const reportChanges = async (): Promise<void> => {
      const alerts = await reporter.changes();
      if (isClosed) return;
      show(statusOf(reporter.last()));
      for (const payload of alerts) guard.sendOrKeep(CHANGES_OUTPUT, { topic: payload.mailboxId, payload }, payload);
      // The mailboxes may be well; who should hear of it otherwise is not there.
      if (blocked !== undefined && guard.blocked().length > 0) show(errorStatus(blocked));
    };
    const check = (): void => void reportChanges().catch((error: unknown) => this.error(cleanError(RED, error)));
    if (user) user.check = check;
    const timer = setInterval(() => {
      check();
      void beat();
    }, settings.everyMs);
    // After this deploy has created its other nodes.
    const first = setTimeout(check, 0);

    onInput(RED, this, async (msg, send) => {
      check();
      const observed = await reporter.current();
      setProperty(RED, msg, def.property, { status: fillOf(observed), mailboxes: observed });
      send([null, msg]);
    });
    this.on('close', (_removed: boolean, done: () => void) => {
      isClosed = true;
      clearInterval(timer);
      clearTimeout(first);
      const ended = heartbeat?.close() ?? Promise.resolve();
      const close = (): void => (user ? user.close(done) : done());
      void ended.then(close, close);
    });
  }

  RED.nodes.registerType('mesh-status', MeshStatus, { credentials: { heartbeat: { type: 'password' } } });
};

/**
 * Returns the heartbeat that the settings name; undefined without an address.
 * @throws ConfigurationError when its address, TLS or proxy cannot be used
 */
function openHeartbeatOf(RED: NodeAPI, node: Node<MeshStatusCredentials>, def: MeshStatusDef): Heartbeat | undefined {
  // Credentials are undefined while none are stored.
  const { heartbeat } = (node.credentials as MeshStatusCredentials | undefined) ?? {};
  const url = textSetting(RED, heartbeat);
  if (url === '') return undefined;
  return openHeartbeat({
    url,
    tls: readTls(RED, textSetting(RED, def.heartbeatTls)),
    proxy: readProxy(RED, textSetting(RED, def.heartbeatProxy)),
    timeoutMs: HEARTBEAT_MS,
  });
}

interface Settings {
  stoppedMs: number;
  minFreeBytes: number;
  everyMs: number;
}

function readSettings(RED: NodeAPI, def: MeshStatusDef): Settings {
  const number = (field: string, value: unknown, fallback: number, min: number, max: number): number =>
    numberSetting(RED, RED._(`mesh-status.label.${field}`), textSetting(RED, value), { fallback, min, max });
  return {
    stoppedMs: number('stopped', def.stoppedMinutes, DEFAULT_LIMITS.stoppedMs / MINUTE_MS, 0, 7200) * MINUTE_MS,
    minFreeBytes: number('min-free', def.minFreeGb, DEFAULT_LIMITS.minFreeBytes / GIB, 0, 1e6) * GIB,
    everyMs: number('every', def.everySeconds, 60, 1, MAX_SECONDS) * 1000,
  };
}

/** Returns the chosen mailbox, or all that are deployed. */
function mailboxes(RED: NodeAPI, def: MeshStatusDef): KnownMailbox[] {
  const known = knownMailboxes(RED);
  return def.all !== 'one' ? known : known.filter(({ id }) => id === def.mailbox);
}

type Fill = 'green' | 'yellow' | 'red';

/** Returns the worst colour; green when there is no mailbox. */
function fillOf(observed: readonly ObservedMailbox[]): Fill {
  const fills = new Set(observed.map(({ status }) => status));
  if (fills.has('red')) return 'red';
  return fills.has('yellow') ? 'yellow' : 'green';
}

function statusOf(observed: readonly ObservedMailbox[]): Status {
  const fill = fillOf(observed);
  const conditions = observed.flatMap((each) => each.conditions);
  const worst = conditions.find(({ severity }) => severity === 'critical') ?? conditions[0];
  const shape = conditions.some(isOfWholeMailbox) ? 'ring' : 'dot';
  if (worst === undefined) {
    const key = observed.length === 0 ? 'none' : fill === 'green' ? 'well' : 'waiting';
    return { fill: observed.length === 0 ? 'grey' : fill, shape, key: `mesh-status.status.${key}` };
  }
  const more = conditions.length - 1;
  const key = `mesh-status.status.${worst.kind}`;
  return { fill, shape, key, ...(more > 0 && { plain: ` +${shortCount(more)}` }) };
}

/** True for a condition with which nothing goes through the mailbox. */
const isOfWholeMailbox = ({ kind }: Condition): boolean => ['configuration', 'store', 'handshake'].includes(kind);
