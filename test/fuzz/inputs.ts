/** Realistic inputs that we made; the mark stands for a patient's data. */
import { itk3Request, MEDRPT as INTERCHANGE } from '../acks/fixtures';
import { MARK } from './target';

export const ADT = [
  'MSH|^~\\&|PAS|TRUST|MESH|GP|20260401120000||ADT^A01|M-1|P|2.4',
  `PID|||1^^^NHS~2^^^L||${MARK}\\T\\BRIEN&X^J\\.br\\K|||""|||||`,
  'OBX|1|TX|A^B||one\\F\\two\\X0D\\three',
  'Z01|',
  '',
].join('\r');
export const ORU = [
  'FHS|^~\\&|LAB',
  'BHS|^~\\&|LAB',
  'MSH|^~\\&|LAB|X26|||20260401120000+0100||ORU^R01^ORU_R01|77|P|2.5||||||8859/1',
  `PID|1||${MARK}^^^NHS`,
  'OBR|1|||FBC',
  'BTS|1',
  'FTS|1',
].join('\r\n');
export const HL7_ACK = `MSH|^~\\&|GP|X|PAS|T|20260401||ACK^A01|9|P|2.4\rMSA|AR|M-1|${MARK}\rERR|||207^^HL70357|E\r`;
export const MEDRPT = INTERCHANGE.replace("BGM+LSR'", `BGM+LSR'\r\nNAD+PAT+++${MARK}?'S'`);
export const BUNDLE = itk3Request({ extra: `<text value="x"/>` }).replace('<text value="x"/>', '');
export const PATIENT = `<?xml version="1.0" encoding="UTF-8"?>
<Patient xmlns="http://hl7.org/fhir"><id value="p1"/><!-- a comment -->
<text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml"><p title="a &gt; b">Caf&#233; &amp; <b>${MARK}</b><br/></p></div></text>
<contained><Organization><id value="o"/><name value="A &amp; B &lt;d&gt;&#10;line"/></Organization></contained>
<extension url="http://example.org/e"><valueDecimal value="1.50"/></extension><active value="true"/>
<name id="n1"><family value="${MARK}"/><given id="g1" value="Ann"/><given><extension url="u"><valueCode value="asked"/></extension></given></name>
<multipleBirthInteger value="2"/></Patient>`;
