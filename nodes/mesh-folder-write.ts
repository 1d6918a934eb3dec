/** mesh-folder-write: the MESH Client's in, sent and failed folders, by what the message is. */
import type { Node, NodeAPI, NodeDef, NodeMessageInFlow } from 'node-red';
import {
  ConfigurationError,
  InFolder,
  InvalidMessageError,
  OutFolder,
  type MessageHeaders,
  type PairOutcome,
} from '../lib/index';
import { onInput } from './shared/on-input';
import { textSetting } from './shared/settings';
import { shortCount } from './shared/status';

interface MeshFolderWriteDef extends NodeDef {
  version?: number;
  folder?: string;
}

type Fields = Record<string, unknown>;

/** What became of it, on msg.meshFolder. `out`: it will be offered again. */
type Place = 'in' | 'sent' | 'failed' | 'out';

/** What cannot be put into the outbox now is offered again after this time. */
const AGAIN_MS = 60_000;
/** Nothing was put into the outbox, and nothing will be: the message itself is wrong. */
const NEVER = new Set(['MESH_INVALID_MESSAGE', 'MESH_PAYLOAD']);
/** It was, and has ended there without MESH's acceptance, or waits for a person. */
const ENDED = new Set(['rejected', 'parked', 'dropped', 'unknown']);

export = function (RED: NodeAPI): void {
  function MeshFolderWrite(this: Node, def: MeshFolderWriteDef): void {
    RED.nodes.createNode(this, def);
    let number = 0;
    // One, or more where the setting is a variable that changes: it looks through its old marks once a day.
    const inFolders = new Map<string, InFolder>();

    const write = async (folder: string, msg: NodeMessageInFlow): Promise<Place> => {
      const pair = fieldsOf(msg['meshFolder']);
      const id = text(pair['id']);
      if (id === '') return receive(folder, msg);
      const outcome = outcomeOf(msg);
      const outFolder = OutFolder.at(folder);
      if (outcome === undefined) {
        outFolder.offerAgain(id, AGAIN_MS);
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

    /** Text would have been decoded: its bytes are gone. */
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
      const isOver = ENDED.has(text(sent['status'])) || (text(sent['status']) === '' && NEVER.has(text(error['code'])));
      if (!isOver) return undefined;
      const held = sent['status'] === 'unknown' || sent['status'] === 'parked' ? sent['status'] : undefined;
      const warning = held === undefined ? '' : ` ${RED._(`mesh-folder-write.control.${held}`)}`;
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
      const shown = RED._(`mesh-folder-write.status.${place}`, { number: shortCount(number) });
      this.status({ fill: fill[place], shape: 'dot', text: shown });
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

/** MESH's own code as the error tells it, e.g. `(code 12)`. */
function meshCode(message: string): string {
  return /\bcode ([\w-]{1,8})\b/.exec(message)?.[1] ?? '';
}
