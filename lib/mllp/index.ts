/** HL7 v2 over MLLP, on node:net and node:tls alone. It knows nothing of MESH. */
export { decodeHl7Message, decodeHl7Text, encodeHl7Text, type DefaultCharset } from './charset';
export { MllpClient, type MllpClientOptions, type MllpClientState, type MllpSent } from './client';
export type { MllpAcknowledgement, MllpClientTls } from './client-connection';
export * from './errors';
export { MllpServer, type MllpServerOptions, type MllpServerTls } from './server';
export type { MllpRequest, Remote, ResponseOutcome } from './server-connection';
