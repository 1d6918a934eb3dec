/**
 * The folders of a MESH Client as it has left them, for reading: nothing is created, moved or changed here. What cannot
 * be read is named by its file, so that a person finds it.
 */
import { join } from 'node:path';
import { MeshError } from '../errors';
import { lstat } from '../files';
import { controlBytes, readSettledControlFile, type ControlFields, type StatusRecord } from '../folders/control-file';
import { folderEntries, folderNames, onDisk } from '../folders/files';
import { pairUp, readableName } from '../folders/pairing';

/** A message in one of the client's folders. */
export interface ClientMessage {
  /** The control file's name without `.ctl`. */
  name: string;
  /** The control file's whole name: its ending may be in capitals. */
  ctl: string;
  /** When the control file was changed last (milliseconds since 1970). */
  changedAt: number;
  control: ControlFields;
  /** What the client says became of it; missing while there is nothing to say. */
  status?: StatusRecord;
  /** Absolute path of the `.dat`; missing where the client keeps none, and for a report. */
  dat?: string;
}

/** Something that a person has to look at. */
export interface NamedException {
  /** What it is about: a file's name, or our id of a message. */
  name: string;
  why: string;
}

/**
 * Returns the messages of a folder of the client, by name, and what is none. `folder` is found in any case, as `SENT`
 * or `sent`; one that is not there has no messages.
 * @throws StorageError when the folder cannot be read
 */
export async function clientMessages(
  root: string,
  folder: 'in' | 'out' | 'sent' | 'failed',
): Promise<{ messages: ClientMessage[]; exceptions: NamedException[] }> {
  const path = await clientFolder(root, folder);
  const messages: ClientMessage[] = [];
  const exceptions: NamedException[] = [];
  if (path === undefined) return { messages, exceptions };
  for (const { kind, names, hasControl } of pairUp(await onDisk(() => folderEntries(path)))) {
    const [first = '', second = ''] = names.map(readableName);
    const control = second === '' ? first : second;
    if (kind !== 'pair' && kind !== 'no-dat') {
      exceptions.push({ name: control, why: hasControl ? WHY[kind] : WHY['no-ctl'] });
      continue;
    }
    try {
      const read = readSettledControlFile(await controlBytes(join(path, control)));
      messages.push({
        name: control.slice(0, -'.ctl'.length),
        ctl: control,
        changedAt: (await onDisk(() => lstat(join(path, control)))).mtimeMs,
        control: read.fields,
        ...(read.status && { status: read.status }),
        ...(kind === 'pair' && { dat: join(path, first) }),
      });
    } catch (error) {
      if (!(error instanceof MeshError)) throw error;
      exceptions.push({ name: control, why: error.message });
    }
  }
  return { messages: messages.toSorted((one, other) => (one.name < other.name ? -1 : 1)), exceptions };
}

/** Returns the path of a folder of the client, found in any case; undefined if it is not there. */
export async function clientFolder(root: string, folder: string): Promise<string | undefined> {
  const found = await onDisk(() => folderNames(root));
  const name = found.find((each) => each === folder) ?? found.find((each) => each.toLowerCase() === folder);
  return name === undefined ? undefined : join(root, name);
}

const WHY = {
  'no-ctl': 'It has no control file (.ctl), so it is not known what it is.',
  'not-a-file': 'It is no regular file.',
  'bad-name': 'Its name is no UTF-8.',
  ambiguous: 'Several files could be its other half.',
} as const;
