/** A REPORT settles the message that it names, once, before the flow hears of it. */
import type { MessageHeaders } from '../types';

/** Beyond so many, a REPORT that nobody has taken yet may settle its message a second time, which changes nothing. */
const REMEMBERED = 10_000;

/** Settles reports through the callback that knows the outbox. */
export class ReportSettler {
  readonly #settle: (report: MessageHeaders) => Promise<unknown>;
  readonly #settled = new Set<string>();

  constructor(settle: (report: MessageHeaders) => Promise<unknown> = async () => undefined) {
    this.#settle = settle;
  }

  /** Throws what the callback throws; then it was not settled, and is tried again before the delivery. */
  async settle(report: MessageHeaders): Promise<void> {
    if (this.#settled.has(report.messageId)) return;
    await this.#settle(report);
    const [oldest] = this.#settled.size >= REMEMBERED ? this.#settled : [];
    if (oldest !== undefined) this.#settled.delete(oldest);
    this.#settled.add(report.messageId);
  }
}
