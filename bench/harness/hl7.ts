/** The HL7 v2 messages of the bench. */

/** The byte after a message in MLLP. */
export const END_BLOCK = 0x1c;

/** A positive answer; `ID` stands for the control id of the message. */
export const ACCEPTED = 'MSH|^~\\&|MESH|X26|PAS|X26|20260115093000||ACK^A01|1|P|2.4\rMSA|AA|ID\r';

/** Returns an admission of about so many bytes. */
export function admission(controlId: string, bytes: number): Buffer {
  const head =
    `MSH|^~\\&|PAS|X26|MESH|X26|20260115093000||ADT^A01^ADT_A01|${controlId}|P|2.4\r` +
    'PID|1||9990000018^^^NHS^NH||TESTPATIENT^EXAMPLE\rNTE|1||';
  return Buffer.from(`${head}${'x'.repeat(Math.max(1, bytes - head.length - 1))}\r`);
}
