/** Settles the sent message that a REPORT names, once, before the REPORT is delivered. */
import type { MessageHeaders } from '../types';

/** Above this number an undelivered REPORT may settle its message a second time, which changes nothing. */
const MAX_REMEMBERED = 10_000;

/** Settles reports through the callback that knows the outbox. */
export class ReportSettler {
  readonly #settle: (report: MessageHeaders) => Promise<unknown>;
  readonly #settled = new Set<string>();

  constructor(settle: (report: MessageHeaders) => Promise<unknown> = async () => undefined) {
    this.#settle = settle;
  }

  /** @throws what the callback throws: the report is then not settled, and is tried again before its delivery */
  async settle(report: MessageHeaders): Promise<void> {
    if (this.#settled.has(report.messageId)) return;
    await this.#settle(report);
    const [oldest] = this.#settled.size >= MAX_REMEMBERED ? this.#settled : [];
    if (oldest !== undefined) this.#settled.delete(oldest);
    this.#settled.add(report.messageId);
  }
}
