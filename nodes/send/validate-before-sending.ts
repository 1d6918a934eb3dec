/** Keeps a FHIR message that its recipient would refuse from being sent. */
import type { NodeAPI, NodeMessageInFlow } from 'node-red';
import {
  InvalidMessageError,
  MAX_CONVERTED_BYTES,
  payloadSource,
  runInWorker,
  type Payload,
  type ValidationOutcome,
} from '../../lib/index';
import { choiceSetting, definitionsSetting } from '../shared/settings';

export interface ValidateSettings {
  /** Whether what is sent must be valid FHIR. */
  validate?: '' | 'fhir';
  /** Id of the mesh-fhir-profiles; empty for HL7's own definitions alone. */
  definitions?: string;
}

/**
 * Validates the payload where the node says so, and puts the result on `msg.validation`.
 * @throws InvalidMessageError when it is not valid, with the first error and how many there are; PayloadError when its
 *   file cannot be read
 */
export async function validateBeforeSending(
  RED: NodeAPI,
  settings: ValidateSettings,
  msg: NodeMessageInFlow,
  payload: Payload,
): Promise<void> {
  if (choiceSetting(RED, 'validate', settings.validate, ['', 'fhir']) === '') return;
  const { valid, release, issues } = await runInWorker('validate', {
    payload: await contentOf(RED, payload),
    release: 'auto',
    profiles: [],
    ...definitionsSetting(RED, settings.definitions),
  });
  Object.assign(msg, { validation: { valid, release, issues } });
  if (!valid) throw notValid(RED, issues);
}

/** Returns what is validated; of a file its bytes, as they are now: sending refuses a file that changes later. */
async function contentOf(RED: NodeAPI, payload: Payload): Promise<string | Uint8Array | Record<string, unknown>> {
  if (typeof payload === 'string' || payload instanceof Uint8Array) return payload;
  if ('json' in payload) return payload.json as Record<string, unknown>;
  const file = await payloadSource(payload);
  if (file.size > MAX_CONVERTED_BYTES) {
    const values = { mib: MAX_CONVERTED_BYTES / 1024 / 1024 };
    throw new InvalidMessageError(RED._('mesh-send.error.validate-file', values));
  }
  const pieces: Buffer[] = [];
  for await (const piece of file.open(0, file.size)) pieces.push(piece);
  return Buffer.concat(pieces);
}

function notValid(RED: NodeAPI, issues: ValidationOutcome['issues']): InvalidMessageError {
  const errors = issues.filter(({ severity }) => severity === 'error');
  const { path = '', text = '', advice = '' } = errors[0] ?? {};
  const values = { count: errors.length, path, text };
  return new InvalidMessageError(RED._('mesh-send.error.not-valid', values), { advice });
}
