/** mesh-config: one mailbox. The config node that every other node of this package refers to. */
/* oxlint-disable promise/no-callback-in-promise -- done() is how Node-RED is told, and it comes last. */
import type { NodeAPI } from 'node-red';
import { ConfigurationError } from '../lib/index';
import { claimMailbox, releaseClaims } from './mailbox/mailbox-claims';
import { Connection, type ConnectionUser, type OpenedMailbox } from './mailbox/connection';
import { storageOf } from './mailbox/storage-place';
import { reportForgottenMailboxes } from './mailbox/forgotten-mailboxes';
import {
  readEnvironment,
  readMailboxSettings,
  type MeshConfigCredentials,
  type MeshConfigDef,
} from './mailbox/mailbox-settings';
import type { MeshConfigNode } from './mailbox/mailbox-user';
import { addConnectionCheck } from './admin/connection-check';
import { addMonitoring } from './admin/monitoring';
import { openFromSettings, readProfiles } from './mailbox/open-mailbox';
import { cleanError } from './shared/report-error';
import { notifySidebar } from './admin/sidebar-news';
import { textSetting } from './shared/settings';
import { sharedText } from './shared/texts';

type Mutable<Type> = { -readonly [Key in keyof Type]: Type[Key] };

export = function (RED: NodeAPI): void {
  function MeshConfig(this: Mutable<MeshConfigNode>, def: MeshConfigDef): void {
    RED.nodes.createNode(this, def);
    this.environment = environmentOf(RED, def);
    const open = (): Promise<OpenedMailbox> => openMailboxOf(RED, this, def);
    const connection = new Connection({
      open,
      openAgain: (error) => (error instanceof MailboxTaken ? error.freed : undefined),
      changed: () => notifySidebar(RED, this.id),
      closing: (ending) => releaseClaims(this.id, ending),
      log: {
        connected: () => this.log(sharedText(RED, 'log.connected')),
        failed: (error) => this.error(cleanError(RED, error)),
      },
    });
    this.connection = connection;
    this.profiles = async () =>
      readProfiles({ profilesFile: textSetting(RED, def.profilesFile), profiles: textSetting(RED, def.profiles) });
    this.register = (user: ConnectionUser) => connection.register(user);
    this.deregister = (user: ConnectionUser, done: () => void) => void connection.deregister(user).then(done, done);
    this.on('close', (_removed: boolean, done: () => void) => void connection.close().then(done, done));
  }

  addConnectionCheck(RED);
  addMonitoring(RED);
  const credentials = { password: { type: 'password' }, sharedKey: { type: 'password' } } as const;
  RED.nodes.registerType<Mutable<MeshConfigNode>, MeshConfigDef, object, Required<MeshConfigCredentials>>(
    'mesh-config',
    MeshConfig,
    { credentials },
  );
};

/** What cannot be read is told when the mailbox is opened. */
function environmentOf(RED: NodeAPI, def: MeshConfigDef): string | undefined {
  try {
    return readEnvironment(RED, def.environment);
  } catch {
    return undefined;
  }
}

/** When the first user registers, not in the constructor: the TLS and proxy nodes are certainly there by then. */
async function openMailboxOf(RED: NodeAPI, node: MeshConfigNode, def: MeshConfigDef): Promise<OpenedMailbox> {
  const settings = readMailboxSettings(RED, def, node.credentials);
  const claim = await claimMailbox(settings.environment, settings.mailboxId, node.id);
  if (!claim.isMine) {
    throw new MailboxTaken(
      sharedText(RED, 'error.mailbox-twice', { mailboxId: settings.mailboxId }),
      sharedText(RED, 'advice.mailbox-twice'),
      claim.freed,
    );
  }
  const { version } = RED.settings as { version?: string };
  const state = await storageOf(RED);
  const opened = await openFromSettings(settings, state, version === undefined ? 'Node-RED' : `Node-RED/${version}`);
  // A store that cannot be asked tells so itself.
  void reportForgottenMailboxes(RED, node, state).catch(() => undefined);
  return opened;
}

/** Another config node of this Node-RED has the mailbox. */
class MailboxTaken extends ConfigurationError {
  constructor(
    message: string,
    advice: string,
    /** Resolves when that node is gone. Hidden, as a Catch node gets the error's own properties. */
    readonly freed: Promise<void>,
  ) {
    super(message, { advice });
    Object.defineProperty(this, 'freed', { enumerable: false });
  }
}
