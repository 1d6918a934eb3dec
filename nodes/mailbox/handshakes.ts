/** MESH requires a handshake at the start and every 24 hours. The handshake also shows whether MESH can be reached. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Mailbox } from '../../lib/index';

const DAY_MS = 24 * 60 * 60 * 1000;
const MINUTE_MS = 60 * 1000;
const MAX_MINUTES = 10;

export interface HandshakeReport {
  succeeded(): void;
  failed(error: unknown): void;
}

/** Runs until the signal aborts; never rejects. Repeats a failed handshake after 1, 2, 4, 8, 10, 10 … minutes. */
export async function keepHandshaking(mailbox: Mailbox, report: HandshakeReport, signal: AbortSignal): Promise<void> {
  let minutes = 1;
  while (!signal.aborted) {
    let pause = DAY_MS;
    try {
      await mailbox.handshake({ signal });
      minutes = 1;
      report.succeeded();
    } catch (error) {
      if (signal.aborted) return;
      pause = minutes * MINUTE_MS;
      minutes = Math.min(minutes * 2, MAX_MINUTES);
      report.failed(error);
    }
    // The wait does not keep the process alive, and rejects only when aborted.
    await delay(pause, undefined, { signal, ref: false }).catch(() => undefined);
  }
}
