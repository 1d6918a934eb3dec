/** How large a run is. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { FOLDER, MIB } from './files';
import type { Peer } from './peers/install';

/** What every part gets. */
export interface Settings {
  /** Rounds of each comparison; the figures are their medians. */
  rounds: number;
  /** Bytes of a large message. */
  large: number;
  /** Bytes of the very large one. */
  huge: number;
  /** Of the messages that warm a process up: more than one request may carry, so that it has full chunks. */
  warmUp: number;
  /** Small messages of a round. */
  small: number;
  /** Rounds of small messages before those that count: what a process runs for months is compiled and at its speed. */
  smallWarmUps: number;
  /**
   * Small messages right before each round, not measured: how the one before has left disk and processors would go on the next
   * one's account (measured: the library receives 0.67 of the limit right after that, and 0.74 after itself).
   */
  smallRunUp: number;
  /** Bytes of a small message. */
  smallBytes: number;
  /** Messages in the inbox, few and many. */
  inbox: [number, number];
  /** Rows that are in the ledger before. */
  ledgerRows: number;
  /** Part of the store's operations that is run: 1 is all. */
  storePart: number;
  /** Most messages for one point of the plot. */
  plotMessages: number;
  /** Messages of the flow in Node-RED. */
  flow: number;
  /** Messages over MLLP. */
  mllpMessages: number;
  /** The NHS clients that take part. */
  peers: readonly Peer[];
  /** The same with other settings: only where they make a difference, which is where a large message is sent as it is. */
  variants: readonly Peer[];
  /** Says to a person how far it is. */
  say: (line: string) => void;
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
  plotMessages: 300,
  flow: 10_000,
  mllpMessages: 20_000,
};

/** Judges no times: shows in CI that every figure comes out and that the bytes were right. */
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
  plotMessages: 3,
  flow: 50,
  mllpMessages: 40,
};

/** Runs `work` with an empty folder, and removes it. */
export async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(FOLDER, 'run-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
