/** Builds ITK3 responses (docs/mesh.md, The response bundle). */
import { randomUUID } from 'node:crypto';
import { InvalidMessageError } from '../../errors';
import { fhirJsonToXml } from '../../formats/fhir/to-xml';
import { findItk3Code, issueOf } from './codes';
import { UNREADABLE_ID, type Itk3Request } from './read';

export interface Itk3ResponseOptions {
  /** One of ITK3_CODES. */
  code: string;
  /** Our mailbox id: MessageHeader.source.endpoint. */
  mailboxId: string;
  /** Our organisation's ODS code. */
  odsCode: string;
  now: Date;
  /** Default `xml`, which ITK3 specifies. */
  format?: 'xml' | 'json';
}

const STU3 = 'https://fhir.nhs.uk/STU3';
const profile = (name: string): { profile: string[] } => ({ profile: [`${STU3}/StructureDefinition/${name}`] });

/**
 * Returns the response to a request, as XML or JSON text.
 * @param request undefined: no part of it could be read (10009)
 * @throws InvalidMessageError for an unknown code, or a request that is itself a response
 */
export function buildItk3Response(request: Itk3Request | undefined, options: Itk3ResponseOptions): string {
  const bundle = itk3Response(request, options);
  return options.format === 'json' ? JSON.stringify(bundle) : fhirJsonToXml(bundle);
}

function itk3Response(request: Itk3Request | undefined, options: Itk3ResponseOptions): Record<string, unknown> {
  const row = findItk3Code(options.code);
  if (!row) throw new InvalidMessageError('There is no such ITK3 response code.');
  if (request?.isResponse === true) {
    throw new InvalidMessageError('The message is itself an ITK3 response: it gets no response.');
  }
  const [header, organization, outcome] = [randomUUID(), randomUUID(), randomUUID()];
  const isNegative = row.result === 'negative';
  return {
    resourceType: 'Bundle',
    id: randomUUID(),
    meta: profile('ITK-Message-Bundle-1'),
    identifier: { system: 'https://tools.ietf.org/html/rfc4122', value: randomUUID() },
    type: 'message',
    entry: [
      entry(header, {
        resourceType: 'MessageHeader',
        id: header,
        meta: profile('ITK-MessageHeader-2'),
        extension: [handling(request?.senderReference)],
        event: { system: `${STU3}/CodeSystem/ITK-MessageEvent-2`, code: 'ITK008M', display: 'ITK Response' },
        sender: { reference: `urn:uuid:${organization}` },
        timestamp: options.now.toISOString().replace('Z', '+00:00'),
        source: { endpoint: options.mailboxId },
        response: {
          identifier: request?.messageId ?? UNREADABLE_ID,
          code: isNegative ? 'fatal-error' : 'ok',
          details: { reference: `urn:uuid:${outcome}` },
        },
      }),
      entry(organization, {
        resourceType: 'Organization',
        id: organization,
        meta: profile('CareConnect-ITK-Header-Organization-1'),
        identifier: [{ system: 'https://fhir.nhs.uk/Id/ods-organization-code', value: options.odsCode }],
      }),
      entry(outcome, {
        resourceType: 'OperationOutcome',
        id: outcome,
        meta: profile('ITK-Response-OperationOutcome-1'),
        issue: [
          {
            severity: isNegative ? 'fatal' : 'information',
            code: issueOf(row),
            details: {
              coding: [{ system: `${STU3}/CodeSystem/ITK-ResponseCodes-1`, code: row.code, display: row.name }],
            },
          },
        ],
      }),
    ],
  };
}

const entry = (id: string, resource: Record<string, unknown>): object => ({ fullUrl: `urn:uuid:${id}`, resource });

/** The flags of a response are false: it gets no response. */
function handling(senderReference: string | undefined): object {
  return {
    url: `${STU3}/StructureDefinition/Extension-ITK-MessageHandling-2`,
    extension: [
      { url: 'BusAckRequested', valueBoolean: false },
      { url: 'InfAckRequested', valueBoolean: false },
      {
        url: 'RecipientType',
        valueCoding: { system: `${STU3}/CodeSystem/ITK-RecipientType-1`, code: 'FA', display: 'For Action' },
      },
      {
        url: 'MessageDefinition',
        valueReference: { reference: `${STU3}/MessageDefinition/ITK-Response-MessageDefinition-1` },
      },
      { url: 'SenderReference', valueString: senderReference ?? 'None' },
      { url: 'LocalExtension', valueString: 'None' },
    ],
  };
}
