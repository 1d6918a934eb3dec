/** What mesh-csv reads from a message and writes to it: `msg.csv` and `msg.parts`. */
import type { NodeAPI, NodeMessage, NodeMessageInFlow } from 'node-red';
import { InvalidMessageError, payloadSource, type CsvCheck, type CsvForm, type CsvSource } from '../../lib/index';

/** `msg.csv`: what is known of a file, and of the part that a message has of it. */
export interface CsvProperty extends CsvForm {
  /** Data rows of the file; of a part, its own. */
  rows: number;
  rejectedRows: number;
  lineEnds: CsvCheck['lineEnds'];
  /** How many findings there are of each rule. */
  counts: Record<string, number>;
  /** Paths, where a folder is set and there is something to write. */
  findingsFile?: string;
  rejectedFile?: string;
  /** The number of a part's first row among the rows of the file, from 1. */
  firstRow?: number;
  /** How many bytes of the part's payload repeat the header. */
  headerBytes?: number;
  /** The bytes before the rows of the file, of the first part, and those behind them, of the last. */
  head?: Buffer;
  tail?: Buffer;
  /** The bytes of the rows, where the payload has them as objects. */
  raw?: Buffer;
}

/** `msg.parts` as core's split node sets it, with the node that has split. */
export interface CsvParts {
  id: string;
  index: number;
  count: number;
  /** The id of the node that has split, so that it knows its parts when they come back. */
  by?: string;
}

/** Returns what a check says of a file, as plain JSON. */
export function csvProperty(check: CsvCheck): CsvProperty {
  const { encoding, byteOrderMark, lineEnds, rows, rejectedRows, counts, columns } = check;
  return { rows, rejectedRows, columns, encoding, byteOrderMark, lineEnds, counts };
}

/**
 * Returns the file of a message: the one at the path that is `msg.filename`, where the payload is that path, too, or
 * missing (mesh-poll and mesh-csv write it so); the payload otherwise.
 * @throws InvalidMessageError when the payload is neither a Buffer nor a string; PayloadError when its file cannot be read
 */
export async function csvSource(RED: NodeAPI, msg: NodeMessageInFlow): Promise<CsvSource> {
  const path = filePath(msg);
  const { payload } = msg;
  if (path !== undefined) return payloadSource({ file: path });
  if (typeof payload === 'string' || payload instanceof Uint8Array) return payloadSource(payload);
  throw new InvalidMessageError(RED._('mesh-csv.error.no-file'), { advice: RED._('mesh-csv.advice.no-file') });
}

/** Returns the path of the file that a message has instead of a payload. */
export function filePath(msg: NodeMessageInFlow): string | undefined {
  const { payload, filename } = msg as { payload?: unknown; filename?: unknown };
  const hasFile = typeof filename === 'string' && filename !== '' && (payload === filename || payload === undefined);
  return hasFile ? filename : undefined;
}

/** Returns the innermost level of `msg.parts` that a node has split; undefined if there is none. */
export function partsBy(nodeId: string, msg: NodeMessage): CsvParts | undefined {
  let parts = (msg as { parts?: unknown }).parts;
  for (let depth = 0; depth < 20 && typeof parts === 'object' && parts !== null; depth += 1) {
    if ((parts as CsvParts).by === nodeId) return parts as CsvParts;
    parts = (parts as { parts?: unknown }).parts;
  }
  return undefined;
}
