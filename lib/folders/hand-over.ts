/**
 * Hands a pair of files over to a program that reads a folder, once, whatever happens meanwhile: the `.dat` first, then
 * the `.ctl`. A mark, which is a folder, has the control file in it until a single rename hands it over; a repeat sees
 * by the mark without a control file that this was done.
 */
import { join } from 'node:path';
import { mkdir, open } from '../files';
import { OVERWRITE } from '../payload/whole-file';
import { moveFile, pathExists, takeFile, writeWhole } from './files';

/** What a mark contains until its pair is handed over. */
export const CONTROL = 'control';

/** The content of a `.dat`: bytes, a file that is moved there, or pieces that are read once. */
type PairPayload = Uint8Array | { file: string } | { pieces: AsyncIterable<Uint8Array> };

/** The pair, and where it goes. */
interface HandedOver {
  /** Absolute path of the mark. Its folder may not exist yet. */
  mark: string;
  /** The folder that the program reads, and one on the same file system for what is unfinished. */
  folder: string;
  temp: string;
  /** The files' name without ending: safe, and the same in each repeat. */
  name: string;
  control: string;
  /** Missing where there is only a control file. */
  payload?: PairPayload;
}

/** Hands the pair over; returns false if that was done before. */
export async function handOver({ mark, folder, temp, name, control, payload }: HandedOver): Promise<boolean> {
  const isBegun = await pathExists(mark);
  if (isBegun && !(await pathExists(join(mark, CONTROL)))) return false;
  if (payload !== undefined) await place(payload, join(temp, `${name}.dat.part`), join(folder, `${name}.dat`));
  if (!isBegun) await begin(mark, control);
  await moveFile(join(mark, CONTROL), join(folder, `${name}.ctl`));
  return true;
}

/** Creates the mark, atomically with the control file in it. */
async function begin(mark: string, control: string): Promise<void> {
  const beginning = `${mark}.part`;
  await mkdir(beginning, { recursive: true });
  await writeWhole(join(beginning, CONTROL), control);
  await moveFile(beginning, mark);
}

/** Puts the complete payload into place, or nothing. A file is moved, or copied if it is on another file system. */
async function place(payload: PairPayload, temporary: string, target: string): Promise<void> {
  if (payload instanceof Uint8Array) await writeWhole(temporary, payload);
  else if ('file' in payload) await takeFile(payload.file, temporary);
  else await writePieces(payload.pieces, temporary);
  await moveFile(temporary, target);
}

async function writePieces(pieces: AsyncIterable<Uint8Array>, path: string): Promise<void> {
  const file = await open(path, OVERWRITE, 0o660);
  try {
    for await (const piece of pieces) await file.writeFile(piece);
    await file.sync();
  } finally {
    await file.close();
  }
}
