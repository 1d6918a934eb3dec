/** mesh-send's fields about what has to come back: which answers are asked for, and by when. */
import type { NodeAPI } from 'node-red';
import type { Deadlines, EnqueueOptions } from '../../lib/index';
import { choiceSetting, numberSetting, textSetting } from '../shared/settings';
import { asText } from '../shared/typed-input';

/** Which acknowledgements the recipient's system is asked for. */
export type Asked = 'automatic' | 'none' | 'infrastructure' | 'business' | 'both';

const HOUR_MS = 3_600_000;
const LEAST = 0.01;
/** MESH itself gives up after five days. */
const MOST_COLLECT_HOURS = 120;
/** It forgets a message after 30 days. */
const MOST_ANSWER_HOURS = 720;
const MOST_WORKING_DAYS = 60;

/** By default what the message or its workflow's profile asks for. */
const CHOICES = ['automatic', 'none', 'infrastructure', 'business', 'both'] as const;

/** As stored in the flow file. Numbers may be strings: they may come from the environment. */
export interface DeadlineFields {
  collectWithinHours?: number | string;
  infrastructureWithinHours?: number | string;
  businessWithinWorkingDays?: number | string;
}

/** Those that are not blank; for the others the library's defaults hold. */
export function deadlineSettings(RED: NodeAPI, def: DeadlineFields): Partial<Deadlines> {
  const number = (field: keyof DeadlineFields, most: number): number | undefined =>
    textSetting(RED, def[field]) === ''
      ? undefined
      : numberSetting(RED, field, def[field], { fallback: most, least: LEAST, most });
  const collect = number('collectWithinHours', MOST_COLLECT_HOURS);
  const infrastructure = number('infrastructureWithinHours', MOST_ANSWER_HOURS);
  const business = number('businessWithinWorkingDays', MOST_WORKING_DAYS);
  return {
    ...(collect !== undefined && { collectWithinMs: collect * HOUR_MS }),
    ...(infrastructure !== undefined && { infrastructureWithinMs: infrastructure * HOUR_MS }),
    ...(business !== undefined && { businessWithinWorkingDays: business }),
  };
}

/** The node's own choice; where that is automatic or none, msg.meshSend.asks goes before it. */
export function askedFor(RED: NodeAPI, own: unknown, fromMessage: unknown): NonNullable<EnqueueOptions['asks']> {
  const choice = (value: unknown): (typeof CHOICES)[number] => choiceSetting(RED, 'asks', value, CHOICES);
  const fixed = choice(own);
  const isOpen = fixed === 'automatic' || fixed === 'none';
  const asked = isOpen ? choice(asText(RED, fromMessage, 'asks') || fixed) : fixed;
  if (asked === 'automatic') return asked;
  return {
    infrastructure: asked === 'infrastructure' || asked === 'both',
    business: asked === 'business' || asked === 'both',
  };
}
