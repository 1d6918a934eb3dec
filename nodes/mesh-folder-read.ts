/** mesh-folder-read: reads the files that a system places in the MESH Client's out folder, for mesh-send. */
import type { Node, NodeAPI, NodeDef, NodeMessage } from 'node-red';
import {
  ConfigurationError,
  messageOfControl,
  OutFolder,
  type FolderProblem,
  type OutgoingPair,
  type ScanOptions,
} from '../lib/index';
import { useMailbox } from './mailbox/mailbox-user';
import { createNode } from './shared/create-node';
import { FolderError } from './shared/errors';
import { onInput } from './shared/on-input';
import { OutputGuard } from './mailbox/output-guard';
import { cleanError } from './shared/report-error';
import { numberSetting, textSetting } from './shared/settings';
import { errorStatus, shortCount, type Status } from './shared/status';

interface MeshFolderReadDef extends NodeDef {
  version?: number;
  mailbox?: string;
  folder?: string;
  interval?: number | string;
  settledFor?: number | string;
  patience?: number | string;
  maxInFlight?: number | string;
}

interface Settings extends ScanOptions {
  folder: string;
  intervalMs: number;
}

const DAY_SECONDS = 24 * 60 * 60;

export = function (RED: NodeAPI): void {
  function MeshFolderRead(this: Node, config: MeshFolderReadDef): void {
    const def = createNode(RED, this, config);
    const mailbox = useMailbox(RED, this, def.mailbox);
    let timer: NodeJS.Timeout | undefined;
    let scanning: Promise<void> | undefined;
    /** Code of the last error that was reported: a missing folder is reported once, not at every scan. */
    let reported: string | undefined;
    let closed = false;

    const guard = new OutputGuard(RED, this, { mailbox: def.mailbox, label: () => RED._('mesh-folder-read.output') });

    const scan = async ({ folder, ...options }: Settings): Promise<{ isUnsettled: boolean }> => {
      // The mailbox first: without it, no file is taken.
      const mailboxId = await mailbox.run(async (opened) => opened.mailbox.mailboxId);
      // A file that nobody takes stays in the folder.
      await guard.check(0);
      const outFolder = OutFolder.at(folder);
      const result = await outFolder.scan(options);
      const ours: OutgoingPair[] = [];
      for (const pair of result.offered) {
        if (isOf(mailboxId, pair)) ours.push(pair);
        else await refuse(outFolder, pair);
      }
      if (closed) {
        outFolder.restart();
        return result;
      }
      reported = undefined;
      mailbox.show(scanStatus(result));
      for (const problem of result.problems) report(problem);
      for (const pair of ours) this.send(outgoing(pair));
      return result;
    };

    /** Refuses a pair that names another mailbox as its sender: it would come from the wrong organisation. */
    const refuse = async (outFolder: OutFolder, { id }: OutgoingPair): Promise<void> => {
      const problem = folderError('other-mailbox');
      const time = new Date().toISOString();
      const status = { time, event: 'COLLECT', success: false, code: '', description: problem.message };
      await outFolder.settle(id, { folder: 'failed', status });
      report({ kind: 'unreadable', error: problem });
    };

    const report = ({ kind, error, name }: FolderProblem): void => {
      const problem = error ?? folderError(kind);
      mailbox.show(errorStatus(problem));
      this.error(cleanError(RED, problem, this), {
        meshFolder: { problem: kind, ...(name !== undefined && { name }) },
      });
    };

    const scanNow = (settings: Settings): Promise<void> => {
      scanning ??= scan(settings)
        .then((result) => scheduleNext(settings, result.isUnsettled))
        .catch((error: unknown) => {
          scheduleNext(settings, false);
          throw error;
        })
        .finally(() => (scanning = undefined));
      return scanning;
    };

    const scheduleNext = (settings: Settings, isUnsettled: boolean): void => {
      clearTimeout(timer);
      if (closed || settings.intervalMs === 0) return;
      const pause = isUnsettled ? Math.min(settings.intervalMs, settings.settledForMs + 100) : settings.intervalMs;
      timer = setTimeout(() => {
        scanNow(settings).catch(failed);
      }, pause);
    };

    const failed = (error: unknown): void => {
      const clean = cleanError(RED, error, this);
      if (closed || clean.code === reported) return;
      reported = clean.code;
      mailbox.show(errorStatus(error));
      this.error(clean, {});
    };

    /** Offers all files again after every deploy, since a flow that was stopped has lost its messages. */
    const started = (): void => {
      try {
        const settings = readSettings(RED, def);
        OutFolder.at(settings.folder).restart();
        scanNow(settings).catch(failed);
      } catch (error) {
        mailbox.fault(error);
        failed(error);
      }
    };
    RED.events.on('flows:started', started);

    onInput(RED, this, async () => {
      await scanNow(readSettings(RED, def));
    });

    this.on('close', () => {
      closed = true;
      clearTimeout(timer);
      RED.events.off('flows:started', started);
    });
  }

  RED.nodes.registerType('mesh-folder-read', MeshFolderRead);

  function folderError(kind: string): FolderError {
    return new FolderError(RED._(`mesh-folder-read.error.${kind}`), {
      advice: RED._(`mesh-folder-read.advice.${kind}`),
    });
  }
};

function isOf(mailboxId: string, { control }: OutgoingPair): boolean {
  const from = control['From_DTS'] ?? '';
  return from === '' || from.toUpperCase() === mailboxId.toUpperCase();
}

function scanStatus({ inFlight, needsAttention }: { inFlight: number; needsAttention: number }): Status {
  const key = (name: string, number: number) => ({
    key: `mesh-folder-read.status.${name}`,
    values: { number: shortCount(number) },
  });
  if (needsAttention > 0) return { fill: 'yellow', shape: 'ring', ...key('attention', needsAttention) };
  return { fill: inFlight > 0 ? 'blue' : 'green', shape: 'dot', ...key('in-flight', inFlight) };
}

/** Returns the message for mesh-send, with its settings on msg.meshSend as in any flow. */
function outgoing({ id, stem, file, control }: OutgoingPair): NodeMessage {
  const { to, workflowId, ...rest } = messageOfControl(control);
  // What the control file leaves out is the node's setting.
  const meshSend = { ...rest, ...(to && { to }), ...(workflowId && { workflowId }), onceKey: `folder ${id}` };
  const more = { meshSend, meshFolder: { id, name: stem, control } };
  return { payload: file, ...more };
}

function readSettings(RED: NodeAPI, def: MeshFolderReadDef): Settings {
  const folder = textSetting(RED, def.folder);
  if (folder === '') throw new ConfigurationError(RED._('mesh-folder-read.error.no-folder'));
  const seconds = (field: 'interval' | 'settledFor' | 'patience', fallback: number, min: number): number =>
    numberSetting(RED, field, def[field], { fallback, min, max: DAY_SECONDS }) * 1000;
  return {
    folder,
    intervalMs: seconds('interval', 10, 0),
    settledForMs: seconds('settledFor', 1, 0.1),
    patienceMs: seconds('patience', 300, 0.1),
    maxInFlight: numberSetting(RED, 'maxInFlight', def.maxInFlight, { fallback: 50, min: 1, max: 1000 }),
  };
}
