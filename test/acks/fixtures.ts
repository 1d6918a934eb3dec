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
