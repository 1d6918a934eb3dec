/** HL7 v2 over MLLP. On node:net and node:tls alone; it knows nothing of MESH. */
export { buildAcknowledgement, type Acknowledgement, type AcknowledgementCode } from './acknowledgement';
export { charsetOf, decodeText, encodeText, type DefaultCharset } from './charset';
export { MllpClient, type MllpClientOptions, type MllpClientState, type MllpSent } from './client';
export type { MllpAnswer, MllpClientTls } from './client-connection';
export * from './errors';
export { readAcknowledgement, readHeader, type AcknowledgementHeader, type MessageHeader } from './header';
export { DEFAULT_MAX_BYTES, MllpServer, type MllpServerOptions, type MllpServerTls } from './server';
export type { AnswerOutcome, MllpRequest, Remote } from './server-connection';
