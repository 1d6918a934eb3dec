/** Follows each request of the MLLP server from the message that leaves mesh-mllp-in to its response. */
import { createHash, randomUUID } from 'node:crypto';
import type { Node, NodeAPI, NodeMessage } from 'node-red';
import {
  buildHl7Ack,
  decodeHl7Message,
  withoutMessageTime,
  type MeshError,
  type MllpRequest,
  type Tolerated,
} from '../../lib/index';
import { NotAnsweredError } from '../shared/errors';
import type { OutputGuard } from '../mailbox/output-guard';
import { cleanError } from '../shared/report-error';
import { reportTolerated } from '../shared/tolerated';
import type { CharsetSetting } from './payload';
import { addPending, removePending, type MllpProperty } from './requests';

/** Settings of a mesh-mllp-in node for its messages and responses. */
export interface InboundSettings extends CharsetSetting {
  payloadAs: 'text' | 'buffer';
  /** Time for the flow to respond (milliseconds). */
  responseTimeoutMs: number;
  /** What the sender gets after that: an acknowledgement with this code, or a closed connection. */
  onTimeout: 'AE' | 'AR' | 'close';
  /** Senders (MSH-3) whose repeats keep MSH-7; `*`: all. */
  timeKeepingSenders: readonly string[];
}

/** The pending requests of one node. */
export class MllpInbound {
  readonly #RED: NodeAPI;
  readonly #node: Node;
  readonly #settings: InboundSettings;
  readonly #guard: OutputGuard;
  readonly #showError: (error: MeshError) => void;
  readonly #onResponse: () => void;
  /** The timer of each pending request, by its id. */
  readonly #timers = new Map<string, NodeJS.Timeout>();

  /**
   * `guard` knows whether a node takes the messages; `showError` shows an error as the node's status; `onResponse` is
   * called after each response of the flow.
   */
  constructor(
    RED: NodeAPI,
    node: Node,
    settings: InboundSettings,
    {
      guard,
      showError,
      onResponse,
    }: { guard: OutputGuard; showError: (error: MeshError) => void; onResponse: () => void },
  ) {
    this.#RED = RED;
    this.#node = node;
    this.#settings = settings;
    this.#guard = guard;
    this.#showError = showError;
    this.#onResponse = onResponse;
  }

  /** Sends the request's message into the flow. A message that is not valid text is rejected at once. */
  take(request: MllpRequest): void {
    const requestId = randomUUID();
    const mllp = mllpProperty(requestId, request, this.#settings);
    const topic = request.header.messageType;
    let payload: string | Buffer;
    let tolerated: readonly Tolerated[];
    try {
      [payload, tolerated] = this.#payloadOf(request);
    } catch (error) {
      const notText = error as MeshError;
      request.respond(buildHl7Ack(request.header, { code: 'AR', text: notText.message }));
      this.#report(notText, { topic, mllp });
      return;
    }
    this.#awaitResponse(requestId, request, { topic, mllp });
    const msg = { topic, payload, mllp };
    reportTolerated(this.#RED, this.#node, msg, tolerated);
    void this.#handOver(requestId, request, msg);
  }

  #payloadOf({ bytes, header }: MllpRequest): [string | Buffer, readonly Tolerated[]] {
    const { payloadAs, charset, charsetRule } = this.#settings;
    if (payloadAs === 'buffer') return [bytes, []];
    const { text, tolerated } = decodeHl7Message(bytes, header.charset, charset, charsetRule);
    return [text, tolerated];
  }

  async #handOver(requestId: string, request: MllpRequest, msg: NodeMessage): Promise<void> {
    try {
      await this.#guard.require(0);
      // Unless the time for a response ended while the flows started.
      if (this.#timers.has(requestId)) this.#node.send(msg);
    } catch {
      this.#refuse(requestId, request);
    }
  }

  /** Forgets the pending requests. Their connections close without a response, and the senders repeat the messages. */
  close(): void {
    for (const [requestId, timer] of this.#timers) {
      clearTimeout(timer);
      removePending(requestId);
    }
    this.#timers.clear();
  }

  #awaitResponse(requestId: string, request: MllpRequest, msg: NodeMessage): void {
    const { responseTimeoutMs } = this.#settings;
    const timer = setTimeout(() => this.#timedOut(requestId, request, msg), responseTimeoutMs);
    this.#timers.set(requestId, timer);
    addPending(requestId, {
      header: request.header,
      charset: this.#settings,
      respond: (message) => {
        const outcome = request.respond(message);
        this.#forget(requestId);
        this.#onResponse();
        return outcome;
      },
    });
  }

  #timedOut(requestId: string, request: MllpRequest, msg: NodeMessage): void {
    const seconds = this.#settings.responseTimeoutMs / 1000;
    this.#respondInstead(requestId, request, 'timeout-answer');
    this.#report(
      new NotAnsweredError(this.#RED._('mesh-mllp-in.error.not-answered', { seconds }), {
        advice: this.#RED._('mesh-mllp-in.advice.not-answered'),
      }),
      msg,
    );
  }

  /** Nobody takes the message, which the guard has reported: the sender need not wait to learn that. */
  #refuse(requestId: string, request: MllpRequest): void {
    if (this.#timers.has(requestId)) this.#respondInstead(requestId, request, 'nobody-answer');
  }

  /** Responds in place of the flow, as the node is set to do when the flow does not respond. */
  #respondInstead(requestId: string, request: MllpRequest, reason: 'timeout-answer' | 'nobody-answer'): void {
    this.#forget(requestId);
    const { onTimeout } = this.#settings;
    if (onTimeout === 'close') {
      request.abandon();
      return;
    }
    const text = this.#RED._(`mesh-mllp-in.error.${reason}`);
    request.respond(buildHl7Ack(request.header, { code: onTimeout, text }));
  }

  #forget(requestId: string): void {
    clearTimeout(this.#timers.get(requestId));
    this.#timers.delete(requestId);
    removePending(requestId);
  }

  #report(error: MeshError, msg: NodeMessage): void {
    this.#showError(error);
    this.#node.error(cleanError(this.#RED, error), msg);
  }
}

function mllpProperty(
  requestId: string,
  { header, bytes, remote }: MllpRequest,
  { timeKeepingSenders }: InboundSettings,
): MllpProperty {
  const { controlId, messageTime, messageType, version, charset } = header;
  const { sendingApplication, sendingFacility, receivingApplication, receivingFacility } = header;
  return {
    requestId,
    controlId,
    messageTime,
    messageType,
    sendingApplication,
    sendingFacility,
    receivingApplication,
    receivingFacility,
    version,
    charset,
    bytes: bytes.length,
    sha256: sha256(bytes),
    sha256WithoutTime: sha256(withoutMessageTime(bytes)),
    repeatsKeepTime: timeKeepingSenders.includes('*') || timeKeepingSenders.includes(sendingApplication),
    remote,
  };
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
