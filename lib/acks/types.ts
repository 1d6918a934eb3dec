/** What every form of business acknowledgement has in common. */

/**
 * How an acknowledgement is written. `custom`: the flow brings the payload. `none`: the workflow has no
 * acknowledgement.
 */
export const ACK_FORMS = ['itk3', 'nhsack', 'hl7v2', 'custom', 'none'] as const;
export type AckForm = (typeof ACK_FORMS)[number];

/** The two outcomes of a message (docs/design.md, States and outcomes): could it be taken in, and what became of it. */
export type AckLevel = 'infrastructure' | 'business';
export type AckResult = 'positive' | 'partial' | 'negative';

/** Which acknowledgements are requested. */
export interface RequestedAcknowledgements {
  infrastructure: boolean;
  business: boolean;
}

/** The forms that can be read by their content. */
export type ReadableForm = 'itk3' | 'nhsack' | 'hl7v2';

/** How an acknowledgement refers to a message. */
export interface RequestIds {
  form: ReadableForm;
  /** MessageHeader.id, UNB's control reference, or MSH-10. */
  reference: string;
  /** Whose reference it is, if it is unique for its sender only: EDIFACT's sender. */
  sender?: string;
}

/** The key by which a store finds a message: the same for a request and for its acknowledgement. */
export function acknowledgementKey({ form, reference, sender }: RequestIds): string {
  return [form, reference, ...(sender === undefined ? [] : [sender])].join(' ');
}

/** A received acknowledgement, as far as it settles what was sent. Nothing in it is patient data. */
export interface ReceivedAck {
  form: ReadableForm;
  /** {@link RequestIds.reference} of the acknowledged message; undefined if the receiver could not read one. */
  acknowledges: string | undefined;
  /** {@link RequestIds.sender} of the acknowledged message. */
  sender?: string;
  level: AckLevel;
  result: AckResult;
  /** `20013`, `IAF`, `AA` … */
  code: string;
  /** What the code means, from our own tables: the sender's words may contain anything. */
  meaning: string;
}

/** The message that an acknowledgement or a reply has settled. */
export interface Settled {
  /** Our id of it, in the outbox. */
  id: string;
  /** MESH's id, if it is known. */
  messageId: string | null;
}
