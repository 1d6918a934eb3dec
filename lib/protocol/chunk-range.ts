/** `Mex-Chunk-Range: i:n`, chunk i of n, both counted from 1. Source: mesh-api.yaml, send_message and send_chunk. */

/** The position of a chunk: `chunk` of `totalChunks`. */
export interface ChunkRange {
  chunk: number;
  totalChunks: number;
}

/** Returns the header's value. */
export function formatChunkRange({ chunk, totalChunks }: ChunkRange): string {
  return `${chunk}:${totalChunks}`;
}

/** Parses the header's value; undefined unless it is `i:n` with 1 <= i <= n, in digits, of at most 20 characters. */
export function parseChunkRange(text: string): ChunkRange | undefined {
  if (text.length > 20) return undefined;
  const match = /^\s*(\d+)\s*:\s*(\d+)\s*$/.exec(text);
  if (!match) return undefined;
  const chunk = Number(match[1]);
  const totalChunks = Number(match[2]);
  if (!Number.isSafeInteger(totalChunks) || chunk < 1 || chunk > totalChunks) return undefined;
  return { chunk, totalChunks };
}
