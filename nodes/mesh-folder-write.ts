/**
 * mesh-folder-write: writes received messages to the MESH Client's in folder, and moves sent files to sent or failed.
 */
import type { Node, NodeAPI, NodeDef, NodeMessageInFlow } from 'node-red';
import {
  ConfigurationError,
  InFolder,
  InvalidMessageError,
  OutFolder,
  UNACCEPTED_STATUSES,
  type MessageHeaders,
  type PairOutcome,
} from '../lib/index';
import { createNode } from './shared/create-node';
import { onInput } from './shared/on-input';
import { textSetting } from './shared/settings';
import { setStatus, shortCount } from './shared/status';

interface MeshFolderWriteDef extends NodeDef {
  version?: number;
  folder?: string;
}

type Fields = Record<string, unknown>;

/** Where the files are now, on msg.meshFolder. `out`: they will be offered again. */
type Place = 'in' | 'sent' | 'failed' | 'out';

/** The wait before a message that the outbox could not take is offered again. */
const RETRY_MS = 60_000;
/** Errors of a message that never reaches the outbox: it is wrong itself. */
const NEVER = new Set(['MESH_INVALID_MESSAGE', 'MESH_PAYLOAD']);

export = function (RED: NodeAPI): void {
  function MeshFolderWrite(this: Node, config: MeshFolderWriteDef): void {
    const def = createNode(RED, this, config);
    let number = 0;
    // Usually one; more if a variable in the setting changes. Each checks its old claims once a day.
    const inFolders = new Map<string, InFolder>();

    const write = async (folder: string, msg: NodeMessageInFlow): Promise<Place> => {
      const pair = fieldsOf(msg['meshFolder']);
      const id = text(pair['id']);
      if (id === '') return receive(folder, msg);
      const outcome = outcomeOf(msg);
      const outFolder = OutFolder.at(folder);
      if (outcome === undefined) {
        outFolder.offerAgain(id, RETRY_MS);
        return 'out';
      }
      await outFolder.settle(id, outcome);
      return outcome.folder;
    };

    const receive = async (folder: string, msg: NodeMessageInFlow): Promise<Place> => {
      const mesh = fieldsOf(msg['mesh']);
      if (text(mesh['messageId']) === '') throw invalid('no-message');
      const message = mesh as unknown as MessageHeaders;
      const inFolder = inFolders.get(folder) ?? new InFolder(folder);
      inFolders.set(folder, inFolder);
      await inFolder.write({
        message,
        ...(message.messageType !== 'REPORT' && { payload: payloadOf(msg) }),
      });
      return 'in';
    };

    /** Refuses text: decoding has lost its bytes. */
    const payloadOf = (msg: NodeMessageInFlow): Uint8Array | { file: string } => {
      const { payload } = msg as { payload?: unknown };
      if (payload instanceof Uint8Array) return payload;
      const file = text(fieldsOf(msg['mesh'])['file']);
      if (file === '') throw invalid('no-bytes');
      return { file };
    };

    const outcomeOf = (msg: NodeMessageInFlow): PairOutcome | undefined => {
      const sent = fieldsOf(msg['meshSent']);
      const error = fieldsOf(msg['error']);
      const time = new Date().toISOString();
      if (msg['error'] === undefined) {
        const messageId = text(sent['messageId']);
        if (messageId === '') throw invalid('not-accepted');
        const status = { time, event: 'TRANSFER', success: true, code: '00', description: 'Accepted by MESH' };
        return { folder: 'sent', fields: { DTSId: messageId, IsCompressed: 'N' }, status };
      }
      const isOver =
        UNACCEPTED_STATUSES.has(text(sent['status'])) ||
        (text(sent['status']) === '' && NEVER.has(text(error['code'])));
      if (!isOver) return undefined;
      const undecided = sent['status'] === 'unknown' || sent['status'] === 'parked' ? sent['status'] : undefined;
      const warning = undecided === undefined ? '' : ` ${RED._(`mesh-folder-write.control.${undecided}`)}`;
      const description = text(error['message']) + warning;
      return {
        folder: 'failed',
        status: { time, event: 'SEND', success: false, code: meshCode(description), description },
      };
    };

    const invalid = (key: string): InvalidMessageError =>
      new InvalidMessageError(RED._(`mesh-folder-write.error.${key}`), {
        advice: RED._(`mesh-folder-write.advice.${key}`),
      });

    onInput(RED, this, async (msg, send) => {
      const folder = textSetting(RED, def.folder);
      if (folder === '') throw new ConfigurationError(RED._('mesh-folder-write.error.no-folder'));
      const place = await write(folder, msg);
      msg['meshFolder'] = { ...fieldsOf(msg['meshFolder']), folder: place };
      number += 1;
      const fill = { in: 'green', sent: 'green', failed: 'red', out: 'yellow' } as const;
      const values = { number: shortCount(number) };
      setStatus(this, { fill: fill[place], shape: 'dot', key: `mesh-folder-write.status.${place}`, values });
      send(msg);
    });
  }

  RED.nodes.registerType('mesh-folder-write', MeshFolderWrite);
};

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** Returns MESH's code from an error's text, e.g. `(code 12)`. */
function meshCode(message: string): string {
  return /\bcode ([\w-]{1,8})\b/.exec(message)?.[1] ?? '';
}
