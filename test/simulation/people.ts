/** The people of one world: they decide at the sidebar, and put right what is broken, or make it worse. */
import type { Faults } from './faults';
import type { Flow } from './flow';
import type { Model } from './model';
import type { Process } from './process';
import type { SeededRandom } from './random';

interface PeopleParts {
  faults: Faults;
  model: Model;
  flow: Flow;
  process: () => Process | undefined;
  note: (line: string) => void;
}

export class People {
  readonly #parts: PeopleParts;

  constructor(parts: PeopleParts) {
    this.#parts = parts;
  }

  /** Somebody sends a message again that looks as if it had not arrived: this one, or any. The outbox may refuse. */
  async resend(wanted?: string): Promise<void> {
    const { flow, note, faults, process, model } = this.#parts;
    const chosen = this.#chooseSent(faults.of('resend'), wanted);
    if (!chosen) return;
    const { id, sending } = chosen;
    // From the moment at which the button is pressed: the process may be killed before it answers.
    sending.copies += 1;
    note(`person: resends ${sending.name}, ${id}`);
    const again = await process()
      ?.mailbox?.outbox.resend(id)
      .catch((error: Error) => {
        note(`person: not resent: ${error.message}`);
        sending.copies -= /cannot be sent again|not kept any more/.test(error.message) ? 1 : 0;
        return undefined;
      });
    if (!again) return;
    flow.ids.get(sending.name)?.add(again.id);
    model.sentAgain(id);
  }

  /** Somebody gives a message up; the outbox may refuse. */
  async drop(): Promise<void> {
    const { note, faults, process } = this.#parts;
    const chosen = this.#chooseSent(faults.of('drop'));
    if (!chosen) return;
    const { id, sending } = chosen;
    note(`person: drops ${sending.name}, ${id}`);
    sending.isGivenUp = true;
    await process()
      ?.mailbox?.outbox.drop(id)
      .catch((error: Error) => note(`person: not dropped: ${error.message}`));
  }

  /** Somebody has a parked message delivered again. */
  async redeliver(): Promise<void> {
    const { model, note, process } = this.#parts;
    const { poller } = process() ?? {};
    for await (const { message } of poller?.parked() ?? []) {
      note(`person: redelivers ${model.received.get(message.messageId)?.name}`);
      await poller
        ?.redeliver(message.messageId)
        .catch((error: Error) => note(`person: not redelivered: ${error.message}`));
      return;
    }
  }

  /** `wanted`: the outbox's id of a message; any, if it is left out. */
  #chooseSent(random: SeededRandom, wanted?: string) {
    const { model, flow } = this.#parts;
    const sent = [...model.sent.values()].flatMap((sending) =>
      [...(flow.ids.get(sending.name) ?? [])]
        .filter((id) => wanted === undefined || id === wanted)
        .map((id) => ({ id, sending })),
    );
    return sent.length === 0 ? undefined : random.pick(sent);
  }
}
