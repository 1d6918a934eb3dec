/** mesh-config: one mailbox. Every other MESH node refers to such a config node. */
/* oxlint-disable promise/no-callback-in-promise -- Node-RED's done() is a callback, and it comes last. */
import type { NodeAPI } from 'node-red';
import { ConfigurationError, isSandbox, openingMayPass } from '../lib/index';
import { addConnectionCheck } from './admin/connection-check';
import { addMonitoring } from './admin/monitoring';
import { addReadiness } from './admin/readiness';
import { notifySidebar } from './admin/sidebar-notifications';
import { Connection, type ConnectionUser, type OpenedMailbox } from './mailbox/connection';
import { claimMailbox, releaseClaims } from './mailbox/mailbox-claims';
import {
  readEnvironment,
  readMailboxIdentity,
  readMailboxRoute,
  readMailboxSettings,
  type MeshConfigCredentials,
  type MeshConfigDef,
} from './mailbox/mailbox-settings';
import { knownMailboxes } from './mailbox/known-mailboxes';
import { findConfig, type MeshConfigNode } from './mailbox/mailbox-user';
import { openFromSettings, readProfiles } from './mailbox/open-mailbox';
import { FlowChanges } from './mailbox/reachable-outputs';
import { storageOf } from './mailbox/storage-place';
import { StorageRetry } from './mailbox/storage-retry';
import { mailboxesChanged, reportForgottenMailboxes } from './monitor/forgotten-mailboxes';
import { createNode } from './shared/create-node';
import { cleanError, nameOf } from './shared/report-error';
import { textSetting } from './shared/settings';
import { nameSandbox, withCause } from './shared/status';
import { sharedText } from './shared/texts';
import { logRenewal } from './shared/tls-and-proxy';

type Mutable<Type> = { -readonly [Key in keyof Type]: Type[Key] };

export = function (RED: NodeAPI): void {
  function MeshConfig(this: Mutable<MeshConfigNode>, config: MeshConfigDef): void {
    const def = createNode(RED, this, config);
    this.environment = environmentOf(RED, def);
    const inSandbox = isSandbox(this.environment ?? '');
    if (inSandbox) nameSandbox(this);
    mailboxesChanged();
    const changes = FlowChanges.whileStarting(RED);
    const storageRetry = new StorageRetry();
    const open = (): Promise<OpenedMailbox> => openMailboxOf(RED, this, def, changes);
    const connection = new Connection({
      open,
      openAgain: (error) => {
        if (error instanceof MailboxTaken) return error.freed;
        return openingMayPass(error) ? storageRetry.next() : undefined;
      },
      passes: openingMayPass,
      changed: () => notifySidebar(RED, this.id),
      closing: (ending) => releaseClaims(this.id, ending),
      log: {
        connected: () => this.log(sharedText(RED, inSandbox ? 'log.connected-sandbox' : 'log.connected')),
        failed: (error) => this.error(cleanError(RED, error, this)),
      },
    });
    this.connection = connection;
    this.profiles = async () =>
      readProfiles({ profilesFile: textSetting(RED, def.profilesFile), profiles: textSetting(RED, def.profiles) });
    this.route = () => readMailboxRoute(RED, def);
    this.identity = () => readMailboxIdentity(RED, def);
    this.register = (user: ConnectionUser) => connection.register(user);
    this.deregister = (user: ConnectionUser, done: () => void) => void connection.deregister(user).then(done, done);
    this.on('close', (_removed: boolean, done: () => void) => {
      storageRetry.close();
      mailboxesChanged();
      void connection.close().then(done, done);
    });
  }

  addConnectionCheck(RED);
  addMonitoring(RED);
  addReadiness(RED);
  const credentials = { password: { type: 'password' }, sharedKey: { type: 'password' } } as const;
  RED.nodes.registerType<Mutable<MeshConfigNode>, MeshConfigDef, object, Required<MeshConfigCredentials>>(
    'mesh-config',
    MeshConfig,
    { credentials },
  );
};

/** Undefined for a wrong setting, which is reported when the mailbox opens. */
function environmentOf(RED: NodeAPI, def: MeshConfigDef): string | undefined {
  try {
    return readEnvironment(RED, def.environment);
  } catch {
    return undefined;
  }
}

/**
 * Opens the mailbox when its first user registers. By then, unlike in the constructor, the TLS and proxy nodes exist.
 */
async function openMailboxOf(
  RED: NodeAPI,
  node: MeshConfigNode,
  def: MeshConfigDef,
  changes: FlowChanges,
): Promise<OpenedMailbox> {
  const settings = readMailboxSettings(RED, def, node.credentials);
  const { environment, mailboxId } = settings;
  const claim = await claimMailbox(environment, mailboxId, node.id, {
    rivals: configsOf(RED, environment, mailboxId),
    settled: () => changes.settled(),
  });
  if (!claim.isMine) {
    const owner = nameOf(findConfig(RED, claim.owner) ?? { id: claim.owner });
    const text = sharedText(RED, 'error.mailbox-twice', { mailboxId, owner });
    const advice = sharedText(RED, 'advice.mailbox-twice', { owner });
    throw withCause(new MailboxTaken(text, advice, claim.freed), 'mailbox-twice');
  }
  const { version } = RED.settings as { version?: string };
  const storage = await storageOf(RED);
  const opened = await openFromSettings(settings, storage, version === undefined ? 'Node-RED' : `Node-RED/${version}`);
  opened.mailbox.onCertificates((problem) => logRenewal(RED, node, problem));
  // The mailbox itself reports a store that fails.
  void reportForgottenMailboxes(RED, node, storage).catch(() => undefined);
  return opened;
}

/** Returns the ids of the config nodes of a mailbox, in the order of the flow file. */
function configsOf(RED: NodeAPI, environment: string, mailboxId: string): string[] {
  return knownMailboxes(RED)
    .filter(({ id }) => {
      try {
        const route = findConfig(RED, id)?.route();
        return route?.environment === environment && route.mailboxId === mailboxId;
      } catch {
        // It reports its wrong settings itself, and opens nothing.
        return false;
      }
    })
    .map(({ id }) => id);
}

/** Another config node of this Node-RED uses the mailbox. */
class MailboxTaken extends ConfigurationError {
  constructor(
    message: string,
    advice: string,
    /** Resolves when that node is gone. Not enumerable, because Catch nodes get the error's own properties. */
    readonly freed: Promise<void>,
  ) {
    super(message, { advice });
    Object.defineProperty(this, 'freed', { enumerable: false });
  }
}
