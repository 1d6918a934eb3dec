/** The ITK3 envelope of a letter: a message Bundle with its MessageHeader and the sender's Organization. */
import { randomUUID } from 'node:crypto';
import { londonInstant } from './uk-time';

export type Resource = Record<string, unknown> & { resourceType: string };

const ITK3 = 'https://fhir.nhs.uk/STU3';
export const CARE_CONNECT = 'https://fhir.hl7.org.uk/STU3';
export const UUID_SYSTEM = 'https://tools.ietf.org/html/rfc4122';
export const ODS_SYSTEM = 'https://fhir.nhs.uk/Id/ods-organization-code';

/** Returns the claim of an ITK3 profile. */
export const itk3Profile = (name: string): { profile: string[] } => ({
  profile: [`${ITK3}/StructureDefinition/${name}`],
});

/** An entry of a Bundle: its address is the resource's id. */
export interface Entry {
  fullUrl: string;
  resource: Resource;
}
export const entry = (id: string, resource: Resource): Entry => ({ fullUrl: `urn:uuid:${id}`, resource });
export const reference = (id: string): { reference: string } => ({ reference: `urn:uuid:${id}` });

export interface Itk3Envelope {
  event: { code: string; display: string };
  /** Name of the MessageDefinition. */
  definition: string;
  /** The sender's mailbox id. */
  mailboxId: string;
  odsCode: string;
  /** Comes back in the acknowledgements. */
  senderReference: string;
  recipientType: 'FA' | 'FI';
  /** Time in ms since 1970. */
  now: number;
}

/** Returns the message around a document, and the id that its acknowledgements refer to. Both are asked for. */
export function itk3Message(
  document: Resource & { id: string },
  envelope: Itk3Envelope,
): { message: Resource; id: string } {
  const [header, sender] = [randomUUID(), randomUUID()];
  const recipient = envelope.recipientType === 'FA' ? 'For Action' : 'For Information';
  const handling = [
    { url: 'BusAckRequested', valueBoolean: true },
    { url: 'InfAckRequested', valueBoolean: true },
    {
      url: 'RecipientType',
      valueCoding: {
        system: `${ITK3}/CodeSystem/ITK-RecipientType-1`,
        code: envelope.recipientType,
        display: recipient,
      },
    },
    { url: 'MessageDefinition', valueReference: { reference: `${ITK3}/MessageDefinition/${envelope.definition}` } },
    { url: 'SenderReference', valueString: envelope.senderReference },
    { url: 'LocalExtension', valueString: 'None' },
  ];
  const message = {
    resourceType: 'Bundle',
    id: randomUUID(),
    meta: itk3Profile('ITK-Message-Bundle-1'),
    identifier: { system: UUID_SYSTEM, value: randomUUID() },
    type: 'message',
    entry: [
      entry(header, {
        resourceType: 'MessageHeader',
        id: header,
        meta: itk3Profile('ITK-MessageHeader-2'),
        extension: [{ url: `${ITK3}/StructureDefinition/Extension-ITK-MessageHandling-2`, extension: handling }],
        event: { system: `${ITK3}/CodeSystem/ITK-MessageEvent-2`, ...envelope.event },
        sender: reference(sender),
        timestamp: londonInstant(envelope.now),
        source: { endpoint: envelope.mailboxId },
        focus: [reference(document.id)],
      }),
      entry(sender, {
        resourceType: 'Organization',
        id: sender,
        meta: itk3Profile('CareConnect-ITK-Header-Organization-1'),
        identifier: [{ system: ODS_SYSTEM, value: envelope.odsCode }],
      }),
      entry(document.id, document),
    ],
  };
  return { message, id: header };
}
