/** The mesh-poll node's properties, checked. */
import type { NodeAPI, NodeDef } from 'node-red';
import { ConfigurationError } from '../../lib/index';
import type { PayloadForm } from './received-message';
import { choiceSetting, listSetting, numberSetting, textSetting } from '../shared/settings';

/** As stored in the flow file. Numbers may be strings: they may come from the environment. */
export interface MeshPollDef extends NodeDef {
  version?: number;
  mailbox?: string;
  interval?: number | string;
  workflows?: string;
  payloadAs?: string;
  charset?: string;
  folder?: string;
  acknowledge?: string;
  maxInFlight?: number | string;
}

export interface PollSettings {
  intervalMs: number;
  workflows: string[];
  payloadAs: PayloadForm;
  charset: string;
  /** Only where payloads are saved as files. */
  folder?: string;
  acknowledge: 'flow' | 'after-delivery';
  maxInFlight: number;
}

/** A week; MESH itself deletes after 5 days what nobody has collected. */
const MOST_MINUTES = 7 * 24 * 60;

/** Whether the interval is too short for MESH is for the poller to say: only it knows the environment's limits. */
export function readPollSettings(RED: NodeAPI, def: MeshPollDef): PollSettings {
  const payloadAs = choiceSetting<PayloadForm>(RED, 'payloadAs', def.payloadAs, ['buffer', 'text', 'json', 'file']);
  const folder = payloadAs === 'file' ? textSetting(RED, def.folder) : undefined;
  if (folder === '') throw new ConfigurationError(RED._('mesh-poll.error.no-folder'));
  const limits = { fallback: 5, least: 0, most: MOST_MINUTES };
  return {
    intervalMs: numberSetting(RED, 'interval', def.interval, limits) * 60_000,
    workflows: listSetting(RED, def.workflows),
    payloadAs,
    charset: choiceSetting(RED, 'charset', def.charset, ['utf-8', 'iso-8859-1', 'windows-1252', 'utf-16le']),
    ...(folder !== undefined && { folder }),
    acknowledge: choiceSetting(RED, 'acknowledge', def.acknowledge, ['flow', 'after-delivery']),
    maxInFlight: numberSetting(RED, 'maxInFlight', def.maxInFlight, { fallback: 50, least: 1, most: 10_000 }),
  };
}
