/** The size of a run: full, or small enough for CI. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { History } from '../test/harness/store-history';
import { FOLDER, MIB } from './files';
import type { Peer } from './peers/install';

/** Settings that every part receives. */
export interface Settings {
  /** Rounds of each comparison; the figures are medians over them. */
  rounds: number;
  /** Bytes of a large message. */
  large: number;
  /** Bytes of a very large message. */
  huge: number;
  /** Bytes of a message that warms a process up: more than fits in one request, so that it has full chunks. */
  warmUp: number;
  /** Small messages per round. */
  small: number;
  /** Unmeasured rounds of small messages: a process that runs for months has compiled its code. */
  smallWarmUps: number;
  /**
   * Unmeasured small messages right before each round: without them the state in which the previous contestant left
   * disk and processors would count for the next one (measured: the library receives 0.67 of the limit right after the
   * limit, and 0.74 right after itself).
   */
  smallRunUp: number;
  /** Bytes of a small message. */
  smallBytes: number;
  /** Messages in the inbox: few and many. */
  inbox: [number, number];
  /** Rows in the ledger before the measurement. */
  ledgerRows: number;
  /** Fraction of the store's operations to run, 0 to 1. */
  storePart: number;
  /** Messages of a round 64 at a time, of one one by one, and those of the store that is full. */
  postgres: { together: number; oneByOne: number; messages: number };
  /** A small and a large history. */
  history: { small: History; large: History };
  /** Maximum number of messages for one point of the plot. */
  plotMessages: number;
  /** Messages of a flow in Node-RED in each round. */
  flow: number;
  /** Unmeasured messages before the first round. */
  flowWarmUp: number;
  /** Messages over MLLP. */
  mllpMessages: number;
  /** Length of a round of the formats' rates. */
  formatRoundMs: number;
  /** Bytes of the payloads of the formats' memory. */
  formatBytes: number;
  /** Rows of the delimited file. */
  csvRows: number;
  /** Validations of each payload. */
  validations: number;
  /** Rows of the table of the part codes. */
  codeRows: number;
  /** `node_modules` with the packages that the formats are compared with; undefined if they are not installed. */
  formatPeers: string | undefined;
  /** NHS clients to compare with. */
  peers: readonly Peer[];
  /** The same clients with other settings. They differ only when a large message is sent uncompressed. */
  variants: readonly Peer[];
  /** Reports progress on the terminal. */
  say: (line: string) => void;
}

/** Returns the histories to compare, with 20 lines of the ledger for each message. */
export function historyOf(messages: number): Settings['history'] {
  return { small: { messages: Math.min(10_000, messages), lines: 20 }, large: { messages, lines: 20 } };
}

export const FULL = {
  rounds: 5,
  large: 1024 * MIB,
  huge: 20 * 1024 * MIB,
  warmUp: 128 * MIB,
  small: 2000,
  smallWarmUps: 5,
  smallRunUp: 500,
  smallBytes: 2000,
  inbox: [1000, 100_000] as [number, number],
  ledgerRows: 1_000_000,
  storePart: 1,
  postgres: { together: 8000, oneByOne: 500, messages: 1_000_000 },
  history: historyOf(10_000_000),
  plotMessages: 300,
  flow: 5000,
  flowWarmUp: 2000,
  mllpMessages: 20_000,
  formatRoundMs: 100,
  formatBytes: 50_000_000,
  csvRows: 600_000,
  validations: 40,
  codeRows: 100_000,
};

/** Checks in CI that every figure is produced and that the bytes are right; the times mean nothing. */
export const SMOKE: typeof FULL = {
  ...FULL,
  rounds: 1,
  large: 4 * MIB,
  huge: 8 * MIB,
  warmUp: 2 * MIB,
  small: 50,
  smallWarmUps: 1,
  smallRunUp: 10,
  inbox: [20, 100],
  ledgerRows: 2000,
  storePart: 0.02,
  postgres: { together: 128, oneByOne: 10, messages: 2000 },
  history: historyOf(4000),
  plotMessages: 3,
  flow: 50,
  flowWarmUp: 20,
  mllpMessages: 40,
  formatRoundMs: 1,
  formatBytes: 1_000_000,
  csvRows: 5000,
  validations: 2,
  codeRows: 2000,
};

/** Runs `work` with an empty folder, then removes the folder. */
export async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(FOLDER, 'run-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
