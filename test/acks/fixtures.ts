/** An ITK3 request that we made, in XML. */
export function itk3Request({ inf = 'true', bus = 'true', id = 'msg-1', extra = '' } = {}): string {
  const flag = (name: string, value: string): string =>
    value === '' ? '' : `<extension url="${name}"><valueBoolean value="${value}"/></extension>`;
  return `<Bundle xmlns="http://hl7.org/fhir"><type value="message"/><entry><fullUrl value="urn:uuid:${id}"/><resource><MessageHeader><id value="${id}"/><extension url="https://fhir.nhs.uk/STU3/StructureDefinition/Extension-ITK-MessageHandling-2">${flag('BusAckRequested', bus)}${flag('InfAckRequested', inf)}<extension url="SenderReference"><valueString value="ref-9"/></extension></extension><event><code value="ITK007C"/></event><source><endpoint value="X26ABC1"/></source>${extra}</MessageHeader></resource></entry></Bundle>`;
}

export const MEDRPT = [
  "UNA:+.? '",
  "UNB+UNOC:3+LAB:80+GP:80+260401:1200+77++MEDRPT++1'",
  "UNH+1+MEDRPT:0:1:RT:NHS003'",
  "BGM+LSR'",
  "UNT+3+1'",
  "UNH+2+MEDRPT:0:1:RT:NHS003'",
  "BGM+LSR'",
  "UNT+3+2'",
  "UNZ+2+77'",
].join('\r\n');

const message = (meta: string, header: string): string =>
  `<Bundle xmlns="http://hl7.org/fhir">${meta}<type value="message"/><entry><fullUrl value="urn:uuid:m-1"/><resource><MessageHeader><id value="m-1"/>${header}</MessageHeader></resource></entry></Bundle>`;

/** A message of FHIR R4, as a laboratory or a registry sends it. */
export const R4_MESSAGE = message(
  '',
  '<eventCoding><system value="https://example.org/events"/><code value="report"/></eventCoding><source><endpoint value="urn:lab"/></source>',
);

/** An event of NEMS (FHIR STU3), which asks for nothing. */
export const NEMS_EVENT = message(
  '<meta><profile value="https://fhir.nhs.uk/STU3/StructureDefinition/Event-Bundle-1"/></meta>',
  '<meta><profile value="https://fhir.nhs.uk/STU3/StructureDefinition/Event-MessageHeader-1"/></meta><extension url="https://fhir.nhs.uk/STU3/StructureDefinition/Extension-MessageEventType-1"><valueCodeableConcept><coding><code value="new"/></coding></valueCodeableConcept></extension><event><code value="newborn-hearing-1"/></event><source><endpoint value="urn:nems"/></source>',
);

/** An ITK3 request that says so by the profile of its bundle or header, and has no message handling. */
export const itk3ByProfile = (of: 'Bundle' | 'MessageHeader'): string => {
  const meta = (name: string): string =>
    `<meta><profile value=" https://fhir.nhs.uk/STU3/StructureDefinition/${name}"/></meta>`;
  return message(
    of === 'Bundle' ? meta('ITK-Message-Bundle-1') : '',
    of === 'MessageHeader' ? meta('ITK-MessageHeader-2') : '',
  );
};
