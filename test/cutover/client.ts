/** A MESH Client's folders as the client leaves them, made with a real mailbox where the messages must be MESH's. */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  readControlFile,
  writeControlFile,
  type ControlFields,
  type StatusRecord,
} from '../../lib/folders/control-file';
import type { Mailbox } from '../../lib/index';
import { emptyFolder } from '../harness/cleanup';

/** Makes the folders, as the client names them. */
export async function clientRoot(): Promise<string> {
  const root = await emptyFolder();
  for (const name of ['IN', 'OUT', 'SENT', 'FAILED', 'TEMP']) await mkdir(join(root, name));
  return root;
}

/** What the client adds to a control file when MESH has accepted the message. */
export const accepted = (time = new Date().toISOString()): StatusRecord => ({
  time,
  event: 'TRANSFER',
  success: true,
  code: '00',
  description: 'Transferred to recipient mailbox',
});

/** The fields of a message from X26ABC1 to X26ABC2. */
export const fields = (more: ControlFields = {}): ControlFields => ({
  Version: '1.0',
  AddressType: 'DTS',
  MessageType: 'Data',
  WorkflowId: 'TEST_WORKFLOW',
  To_DTS: 'X26ABC2',
  From_DTS: 'X26ABC1',
  LocalId: 'PAS-1',
  ...more,
});

/** Writes a pair into a folder; without a payload only its control file. */
export async function putPair(
  folder: string,
  name: string,
  pair: { control: ControlFields; payload?: string; status?: StatusRecord },
): Promise<void> {
  const { control, payload, status } = pair;
  if (payload !== undefined) await writeFile(join(folder, `${name}.dat`), payload);
  await writeFile(join(folder, `${name}.ctl`), writeControlFile(control, status));
}

/** Sends a message as the client does, and leaves its pair in `SENT`. Returns MESH's id. */
export async function sendByClient(
  mailbox: Mailbox,
  root: string,
  { name, payload, workflowId = 'TEST_WORKFLOW' }: { name: string; payload: string; workflowId?: string },
): Promise<string> {
  const { messageId } = await mailbox.send({ to: 'X26ABC2', workflowId, localId: name, payload });
  const control = fields({ LocalId: name, WorkflowId: workflowId, DTSId: messageId });
  await putPair(join(root, 'SENT'), name, { control, payload, status: accepted() });
  return messageId;
}

/** Does what a running client does with `OUT`: takes every complete pair, once. Returns their local ids. */
export async function clientSends(root: string): Promise<string[]> {
  const out = join(root, 'OUT');
  const names = await readdir(out);
  const sent: string[] = [];
  for (const name of names.filter((each) => each.endsWith('.ctl')).toSorted()) {
    const dat = name.replace(/ctl$/, 'dat');
    if (!names.includes(dat)) continue;
    sent.push(readControlFile(await readFile(join(out, name)))['LocalId'] ?? '');
    await rm(join(out, name));
    await rm(join(out, dat));
  }
  return sent;
}
