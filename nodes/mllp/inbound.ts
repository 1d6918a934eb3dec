/** Follows each request of the MLLP server from the message that leaves mesh-mllp-in to its response. */
import { createHash, randomUUID } from 'node:crypto';
import type { Node, NodeAPI, NodeMessage } from 'node-red';
import { buildHl7Ack, decodeHl7Message, type MeshError, type MllpRequest, type Tolerated } from '../../lib/index';
import { NotAnsweredError } from '../shared/errors';
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
}

/** The pending requests of one node. */
export class MllpInbound {
  readonly #RED: NodeAPI;
  readonly #node: Node;
  readonly #settings: InboundSettings;
  readonly #showError: (error: MeshError) => void;
  readonly #onResponse: () => void;
  /** The timer of each pending request, by its id. */
  readonly #timers = new Map<string, NodeJS.Timeout>();

  /** `showError` shows an error as the node's status; `onResponse` is called after each response of the flow. */
  constructor(
    RED: NodeAPI,
    node: Node,
    settings: InboundSettings,
    { showError, onResponse }: { showError: (error: MeshError) => void; onResponse: () => void },
  ) {
    this.#RED = RED;
    this.#node = node;
    this.#settings = settings;
    this.#showError = showError;
    this.#onResponse = onResponse;
  }

  /** Sends the request's message into the flow. A message that is not valid text is rejected at once. */
  take(request: MllpRequest): void {
    const requestId = randomUUID();
    const mllp = mllpProperty(requestId, request);
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
    this.#node.send(msg);
  }

  #payloadOf({ bytes, header }: MllpRequest): [string | Buffer, readonly Tolerated[]] {
    const { payloadAs, charset, charsetRule } = this.#settings;
    if (payloadAs === 'buffer') return [bytes, []];
    const { text, tolerated } = decodeHl7Message(bytes, header.charset, charset, charsetRule);
    return [text, tolerated];
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
    this.#forget(requestId);
    const { onTimeout, responseTimeoutMs } = this.#settings;
    const seconds = responseTimeoutMs / 1000;
    if (onTimeout === 'close') request.abandon();
    else {
      const text = this.#RED._('mesh-mllp-in.error.timeout-answer');
      request.respond(buildHl7Ack(request.header, { code: onTimeout, text }));
    }
    this.#report(
      new NotAnsweredError(this.#RED._('mesh-mllp-in.error.not-answered', { seconds }), {
        advice: this.#RED._('mesh-mllp-in.advice.not-answered'),
      }),
      msg,
    );
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

function mllpProperty(requestId: string, { header, bytes, remote }: MllpRequest): MllpProperty {
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
    sha256: createHash('sha256').update(bytes).digest('hex'),
    remote,
  };
}
