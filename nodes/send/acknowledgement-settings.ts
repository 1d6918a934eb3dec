/** Reads mesh-send's fields about acknowledgements: which ones it requests, and their deadlines. */
import type { NodeAPI } from 'node-red';
import type { Deadlines, EnqueueOptions } from '../../lib/index';
import { choiceSetting, numberSetting, textSetting } from '../shared/settings';
import { asText } from '../shared/typed-input';

/** The acknowledgements that mesh-send requests, as the flow file has them. */
export type Requested = 'automatic' | 'none' | 'infrastructure' | 'business' | 'both';

const HOUR_MS = 3_600_000;
const MIN = 0.01;
/** MESH returns an uncollected message after five days. */
const MAX_COLLECT_HOURS = 120;
/** MESH keeps track of a message for 30 days. */
const MAX_INFRASTRUCTURE_HOURS = 720;
const MAX_WORKING_DAYS = 60;

/** The default leaves it to the message and to its workflow's profile. */
const CHOICES = ['automatic', 'none', 'infrastructure', 'business', 'both'] as const;

/** The deadlines as the flow file has them. Numbers may be strings, since they may come from the environment. */
export interface DeadlineFields {
  collectWithinHours?: number | string;
  infrastructureWithinHours?: number | string;
  businessWithinWorkingDays?: number | string;
}

/**
 * Returns the deadlines that are not blank; the library's defaults hold for the others.
 * @throws ConfigurationError when one is out of range
 */
export function deadlineSettings(RED: NodeAPI, def: DeadlineFields): Partial<Deadlines> {
  const number = (field: keyof DeadlineFields, max: number): number | undefined =>
    textSetting(RED, def[field]) === ''
      ? undefined
      : numberSetting(RED, field, def[field], { fallback: max, min: MIN, max });
  const collect = number('collectWithinHours', MAX_COLLECT_HOURS);
  const infrastructure = number('infrastructureWithinHours', MAX_INFRASTRUCTURE_HOURS);
  const business = number('businessWithinWorkingDays', MAX_WORKING_DAYS);
  return {
    ...(collect !== undefined && { collectWithinMs: collect * HOUR_MS }),
    ...(infrastructure !== undefined && { infrastructureWithinMs: infrastructure * HOUR_MS }),
    ...(business !== undefined && { businessWithinWorkingDays: business }),
  };
}

/**
 * Returns the acknowledgements to request: the node's choice or, when that is automatic or none, msg.meshSend.asks if
 * set.
 */
export function requestedAcknowledgements(
  RED: NodeAPI,
  own: unknown,
  fromMessage: unknown,
): NonNullable<EnqueueOptions['requestedAcknowledgements']> {
  const choice = (value: unknown): (typeof CHOICES)[number] => choiceSetting(RED, 'asks', value, CHOICES);
  const fixed = choice(own);
  const isOpen = fixed === 'automatic' || fixed === 'none';
  const requested = isOpen ? choice(asText(RED, fromMessage, 'asks') || fixed) : fixed;
  if (requested === 'automatic') return requested;
  return {
    infrastructure: requested === 'infrastructure' || requested === 'both',
    business: requested === 'business' || requested === 'both',
  };
}
