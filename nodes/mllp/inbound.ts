/** From a request of the MLLP server to the message that leaves mesh-mllp-in, and to its end. */
import { randomUUID } from 'node:crypto';
import type { Node, NodeAPI, NodeMessage } from 'node-red';
import {
  buildAcknowledgement,
  decodeText,
  type DefaultCharset,
  type MeshError,
  type MllpRequest,
} from '../../lib/index';
import { NotAnsweredError } from '../shared/errors';
import { addPending, removePending, type MllpProperty } from './requests';
import { cleanError } from '../shared/report-error';

/** How a mesh-mllp-in node hands out what it receives. */
export interface InboundSettings {
  payloadAs: 'text' | 'buffer';
  charset: DefaultCharset;
  /** Milliseconds. */
  answerWithinMs: number;
  /** What the sender gets when nobody has answered: a code, or a closed connection. */
  onTimeout: 'AE' | 'AR' | 'close';
}

/** The requests of one node. */
export class MllpInbound {
  readonly #RED: NodeAPI;
  readonly #node: Node;
  readonly #settings: InboundSettings;
  readonly #problem: (error: MeshError) => void;
  readonly #answered: () => void;
  /** Ids of what waits for an answer, with the timer of each. */
  readonly #waiting = new Map<string, NodeJS.Timeout>();

  /** `problem` shows an error on the node; `answered` is called after each answer of the flow. */
  constructor(
    RED: NodeAPI,
    node: Node,
    settings: InboundSettings,
    { problem, answered }: { problem: (error: MeshError) => void; answered: () => void },
  ) {
    this.#RED = RED;
    this.#node = node;
    this.#settings = settings;
    this.#problem = problem;
    this.#answered = answered;
  }

  /** Into the flow; or refused at once, where it is not the text that it has to be. */
  take(request: MllpRequest): void {
    const requestId = randomUUID();
    const mllp = mllpProperty(requestId, request);
    const topic = request.header.messageType;
    let payload: string | Buffer;
    try {
      const { payloadAs, charset } = this.#settings;
      payload = payloadAs === 'buffer' ? request.bytes : decodeText(request.bytes, request.header.charset, charset);
    } catch (error) {
      const refused = error as MeshError;
      request.answer(buildAcknowledgement(request.header, { code: 'AR', text: refused.message }));
      this.#tell(refused, { topic, mllp });
      return;
    }
    this.#wait(requestId, request, { topic, mllp });
    this.#node.send({ topic, payload, mllp });
  }

  /** The node is stopped. What waits gets no answer: its connection closes, and the sender repeats it. */
  close(): void {
    for (const [requestId, timer] of this.#waiting) {
      clearTimeout(timer);
      removePending(requestId);
    }
    this.#waiting.clear();
  }

  #wait(requestId: string, request: MllpRequest, msg: NodeMessage): void {
    const { charset, answerWithinMs } = this.#settings;
    this.#waiting.set(
      requestId,
      setTimeout(() => this.#timeIsUp(requestId, request, msg), answerWithinMs),
    );
    addPending(requestId, {
      header: request.header,
      charset,
      answer: (message) => {
        const outcome = request.answer(message);
        this.#forget(requestId);
        this.#answered();
        return outcome;
      },
    });
  }

  #timeIsUp(requestId: string, request: MllpRequest, msg: NodeMessage): void {
    this.#forget(requestId);
    const { onTimeout, answerWithinMs } = this.#settings;
    const seconds = answerWithinMs / 1000;
    if (onTimeout === 'close') request.abandon();
    else {
      const text = this.#RED._('mesh-mllp-in.error.timeout-answer');
      request.answer(buildAcknowledgement(request.header, { code: onTimeout, text }));
    }
    this.#tell(
      new NotAnsweredError(this.#RED._('mesh-mllp-in.error.not-answered', { seconds }), {
        advice: this.#RED._('mesh-mllp-in.advice.not-answered'),
      }),
      msg,
    );
  }

  #forget(requestId: string): void {
    clearTimeout(this.#waiting.get(requestId));
    this.#waiting.delete(requestId);
    removePending(requestId);
  }

  #tell(error: MeshError, msg: NodeMessage): void {
    this.#problem(error);
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
    remote,
  };
}
