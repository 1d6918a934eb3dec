/** mesh-status: the watchdog. Tells each change in the health of one mailbox or of all, and the present health when asked. */
import type { Node, NodeAPI, NodeDef, NodeStatus } from 'node-red';
import type { Condition } from '../lib/index';
import { MailboxUser } from './mailbox/mailbox-user';
import { ConditionReporter, type WatchedMailbox } from './admin/condition-reporter';
import { cleanError } from './shared/report-error';
import { onInput } from './shared/on-input';
import { setProperty } from './shared/set-property';
import { numberSetting, textSetting } from './shared/settings';
import { knownMailboxes, type KnownMailbox } from './admin/known-mailboxes';
import { errorStatus, shortCount } from './shared/status';
import type { ConnectionState } from './mailbox/connection';

interface MeshStatusDef extends NodeDef {
  version?: number;
  /** `all` mailboxes that other nodes use (default), or the `one`. */
  all?: 'one' | 'all';
  mailbox?: string;
  stoppedMinutes?: string | number;
  minFreeGb?: string | number;
  everySeconds?: string | number;
  property?: string;
}

const GIB = 1024 ** 3;
/** Longer than this setInterval cannot wait; a day is seldom enough. */
const MOST_SECONDS = 24 * 60 * 60;

/** Looks again as soon as the connection has changed. */
class WatchingUser extends MailboxUser {
  look: (() => void) | undefined;

  override connectionChanged(state: ConnectionState): void {
    if (this.look === undefined || state.kind === 'connecting') super.connectionChanged(state);
    else this.look();
  }
}

export = function (RED: NodeAPI): void {
  function MeshStatus(this: Node, def: MeshStatusDef): void {
    RED.nodes.createNode(this, def);
    // Its own mailbox is opened by it; of all mailboxes, those that other nodes use are watched.
    const user = def.all !== 'one' ? undefined : new WatchingUser(RED, this, def.mailbox);
    const show = (status: NodeStatus): void => {
      if (user) user.show(status);
      else this.status(status);
    };
    let settings: Settings;
    try {
      settings = readSettings(RED, def);
    } catch (error) {
      if (user) user.fault(error);
      else show(errorStatus(RED, error, 'ring'));
      this.error(cleanError(RED, error));
      this.on('close', (_removed: boolean, done: () => void) => (user ? user.close(done) : done()));
      return;
    }

    const watch = new ConditionReporter(RED, () => mailboxes(RED, def), settings);
    let isClosed = false;
    const tellChanges = async (): Promise<void> => {
      const alerts = await watch.look();
      if (isClosed) return;
      for (const alert of alerts) this.send([{ topic: alert.mailboxId, payload: alert }, null] as never);
      show(statusOf(RED, watch.known()));
    };
    const look = (): void => void tellChanges().catch((error: unknown) => this.error(cleanError(RED, error)));
    if (user) user.look = look;
    const timer = setInterval(look, settings.everyMs);
    // Other nodes of the deploy are made first.
    const first = setTimeout(look, 0);

    onInput(RED, this, async (msg, send) => {
      look();
      const watched = await watch.present();
      setProperty(RED, msg, def.property, { status: fillOf(watched), mailboxes: watched });
      send([null, msg]);
    });
    this.on('close', (_removed: boolean, done: () => void) => {
      isClosed = true;
      clearInterval(timer);
      clearTimeout(first);
      if (user) user.close(done);
      else done();
    });
  }

  RED.nodes.registerType('mesh-status', MeshStatus);
};

interface Settings {
  stoppedMs: number;
  minFreeBytes: number;
  everyMs: number;
}

function readSettings(RED: NodeAPI, def: MeshStatusDef): Settings {
  const number = (field: string, value: unknown, fallback: number, least: number, most: number): number =>
    numberSetting(RED, RED._(`mesh-status.label.${field}`), textSetting(RED, value), { fallback, least, most });
  return {
    stoppedMs: number('stopped', def.stoppedMinutes, 30, 0, 7200) * 60_000,
    minFreeBytes: number('min-free', def.minFreeGb, 2, 0, 1e6) * GIB,
    everyMs: number('every', def.everySeconds, 60, 1, MOST_SECONDS) * 1000,
  };
}

/** Of one mailbox itself, of all those that are deployed. */
function mailboxes(RED: NodeAPI, def: MeshStatusDef): KnownMailbox[] {
  const known = knownMailboxes(RED);
  return def.all !== 'one' ? known : known.filter(({ id }) => id === def.mailbox);
}

type Fill = 'green' | 'yellow' | 'red';

/** Yellow too where nothing is known yet. */
function fillOf(watched: readonly WatchedMailbox[]): Fill {
  const fills = new Set(watched.map(({ status }) => status));
  if (fills.has('red')) return 'red';
  return fills.has('yellow') ? 'yellow' : 'green';
}

function statusOf(RED: NodeAPI, watched: readonly WatchedMailbox[]): NodeStatus {
  const fill = fillOf(watched);
  const conditions = watched.flatMap((each) => each.conditions);
  const worst = conditions.find(({ severity }) => severity === 'critical') ?? conditions[0];
  const shape = conditions.some(isOfTheWhole) ? 'ring' : 'dot';
  if (worst === undefined) {
    const key = watched.length === 0 ? 'none' : fill === 'green' ? 'well' : 'waiting';
    return { fill: watched.length === 0 ? 'grey' : fill, shape, text: RED._(`mesh-status.status.${key}`) };
  }
  const more = conditions.length - 1;
  const text = RED._(`mesh-status.status.${worst.kind}`);
  return { fill, shape, text: more === 0 ? text : `${text} +${shortCount(more)}` };
}

/** Nothing goes through the mailbox at all. */
const isOfTheWhole = ({ kind }: Condition): boolean => ['configuration', 'store', 'handshake'].includes(kind);
