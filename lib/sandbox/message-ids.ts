/** Message ids in MESH's form: `yyyyMMddHHmmssffffff_XXXXXX`, e.g. 20200529155357895317_3573F8 (mesh-api.yaml). */
import { randomBytes } from 'node:crypto';

/** Makes unique ids, even if the clock stands still or goes back. */
export class MessageIds {
  #lastMs = -1;
  #count = 0;

  /** `now`: sandbox time in ms. */
  next(now: number): string {
    // Node's clock has milliseconds: the last three digits count the ids within one millisecond.
    this.#count = now === this.#lastMs ? (this.#count + 1) % 1000 : 0;
    this.#lastMs = now;
    const time = new Date(now).toISOString().replace(/\D/g, '').slice(-17);
    const random = randomBytes(3).toString('hex').toUpperCase();
    return `${time}${String(this.#count).padStart(3, '0')}_${random}`;
  }
}
