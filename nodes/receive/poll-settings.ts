/** Reads and checks the properties of a mesh-poll node. */
import type { NodeAPI, NodeDef } from 'node-red';
import { ConfigurationError } from '../../lib/index';
import { choiceSetting, listSetting, numberSetting, textSetting } from '../shared/settings';
import type { PayloadForm } from './received-message';

/** The properties as the flow file has them. Numbers may be strings, since they may come from the environment. */
export interface MeshPollDef extends NodeDef {
  version?: number;
  mailbox?: string;
  interval?: number | string;
  workflows?: string;
  payloadAs?: string;
  charset?: string;
  folder?: string;
  multipart?: string;
  acknowledge?: string;
  maxInFlight?: number | string;
}

export interface PollSettings {
  intervalMs: number;
  workflows: string[];
  payloadAs: PayloadForm;
  charset: string;
  /** Set only when payloads are saved as files. */
  folder?: string;
  /** Whether multipart/form-data leaves as its parts. */
  unwrapMultipart: boolean;
  acknowledge: 'flow' | 'after-delivery';
  maxInFlight: number;
}

/** A week. MESH itself removes a message after 5 days in the inbox. */
const MAX_MINUTES = 7 * 24 * 60;

/**
 * Does not check the interval against MESH's minimum: the poller does, which knows the environment.
 * @throws ConfigurationError when a property is wrong
 */
export function readPollSettings(RED: NodeAPI, def: MeshPollDef): PollSettings {
  const payloadAs = choiceSetting<PayloadForm>(RED, 'payloadAs', def.payloadAs, ['buffer', 'text', 'json', 'file']);
  const folder = payloadAs === 'file' ? textSetting(RED, def.folder) : undefined;
  if (folder === '') throw new ConfigurationError(RED._('mesh-poll.error.no-folder'));
  const limits = { fallback: 5, min: 0, max: MAX_MINUTES };
  return {
    intervalMs: numberSetting(RED, 'interval', def.interval, limits) * 60_000,
    workflows: listSetting(RED, def.workflows),
    payloadAs,
    charset: choiceSetting(RED, 'charset', def.charset, ['utf-8', 'iso-8859-1', 'windows-1252', 'utf-16le']),
    ...(folder !== undefined && { folder }),
    unwrapMultipart: choiceSetting(RED, 'multipart', def.multipart, ['whole', 'parts']) === 'parts',
    acknowledge: choiceSetting(RED, 'acknowledge', def.acknowledge, ['flow', 'after-delivery']),
    maxInFlight: numberSetting(RED, 'maxInFlight', def.maxInFlight, { fallback: 50, min: 1, max: 10_000 }),
  };
}
