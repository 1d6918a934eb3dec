/** What the durable lines draw at random: ids, names and waits. */
import { randomBytes as machineBytes, randomUUID as machineUuid } from 'node:crypto';
import { machineNow } from './clock';
import { uuidsOfTime } from './uuid';

/** A source of randomness. */
export interface Randomness {
  /** Returns a number from 0 up to, but not including, 1. */
  number(): number;
  bytes(size: number): Buffer;
  /** Returns a random UUID (version 4). */
  uuid(): string;
  /** Returns a UUID that sorts by its time (version 7). */
  uuidv7(): string;
}

const MACHINE: Randomness = {
  number: Math.random,
  bytes: (size) => machineBytes(size),
  uuid: machineUuid,
  uuidv7: uuidsOfTime(machineNow, (size) => machineBytes(size)),
};

let source = MACHINE;

/**
 * Puts another source in the machine's place, or the machine's back. For a simulation that runs code in the process:
 * the package exports this from nowhere, and no environment variable, setting or flow leads here.
 */
export function setRandomness(replacement: Randomness = MACHINE): void {
  source = replacement;
}

/** Returns a number from 0 up to, but not including, 1. For waits, never for secrets. */
export const randomNumber = (): number => source.number();

/** Returns random bytes. */
export const randomBytes = (size: number): Buffer => source.bytes(size);

/** Returns a random UUID (version 4). */
export const randomUUID = (): string => source.uuid();

/** Returns a UUID that sorts by its time (version 7). */
export const uuidv7 = (): string => source.uuidv7();
