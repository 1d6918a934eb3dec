/** What every form of business acknowledgement has in common. */

/** How an answer is written. `custom`: the flow brings its own payload. `none`: the workflow has no answer. */
export const ACK_FORMS = ['itk3', 'nhsack', 'hl7v2', 'custom', 'none'] as const;
export type AckForm = (typeof ACK_FORMS)[number];

/** The two outcomes of a message (docs/design.md, States and outcomes): could it be taken in, and what became of it. */
export type AckLevel = 'infrastructure' | 'business';
export type AckResult = 'positive' | 'partial' | 'negative';

/** The forms that are recognised by content. */
export type ReadableForm = 'itk3' | 'nhsack' | 'hl7v2';

/** A message as an answer will refer to it. */
export interface RequestIds {
  form: ReadableForm;
  /** MessageHeader.id, UNB's control reference, or MSH-10. */
  reference: string;
  /** Whose reference it is, where it is unique for its sender only: EDIFACT's sender. */
  sender?: string;
}

/** How a store looks a message up by what answers it: the same text for the request and for its acknowledgement. */
export function acknowledgementKey({ form, reference, sender }: RequestIds): string {
  return [form, reference, ...(sender === undefined ? [] : [sender])].join(' ');
}

/** An acknowledgement, as it settles what was sent. Nothing in it is patient data. */
export interface ReceivedAck {
  form: ReadableForm;
  /** The {@link RequestIds.reference} that it answers; undefined where the receiver could not read one. */
  answers: string | undefined;
  /** {@link RequestIds.sender} of what it answers. */
  sender?: string;
  level: AckLevel;
  result: AckResult;
  /** `20013`, `IAF`, `AA` … */
  code: string;
  /** What the code means, from our own tables: the sender's words may hold anything. */
  meaning: string;
}
