/** Reads values as Node-RED stores them: numbers may be strings, and `${VAR}` stays as it is where VAR is not set. */
import type { NodeAPI } from 'node-red';
import { ConfigurationError } from '../../lib/index';
import { sharedText } from './texts';

/** A text setting, trimmed; empty where there is none. An unset environment variable would else be used as the value. */
export function textSetting(RED: NodeAPI, value: unknown): string {
  const text = typeof value === 'string' || typeof value === 'number' ? String(value).trim() : '';
  const variable = /^\$\{(\S+)\}$/.exec(text)?.[1];
  if (variable !== undefined) throw new ConfigurationError(sharedText(RED, 'error.variable-not-set', { variable }));
  return text;
}

/** A number within limits; `fallback` where it is blank. */
export function numberSetting(
  RED: NodeAPI,
  field: string,
  value: unknown,
  limits: { fallback: number; least: number; most: number },
): number {
  const text = textSetting(RED, value);
  if (text === '') return limits.fallback;
  const number = Number(text);
  if (Number.isFinite(number) && number >= limits.least && number <= limits.most) return number;
  throw new ConfigurationError(sharedText(RED, 'error.number', { field, least: limits.least, most: limits.most }));
}

/** One of the values that the editor offers; the first where it is blank. */
export function choiceSetting<Choice extends string>(
  RED: NodeAPI,
  field: string,
  value: unknown,
  choices: readonly [Choice, ...Choice[]],
): Choice {
  const text = textSetting(RED, value);
  if (text === '') return choices[0];
  const choice = choices.find((candidate) => candidate === text);
  if (choice !== undefined) return choice;
  throw new ConfigurationError(sharedText(RED, 'error.choice', { field, choices: choices.join(', ') }));
}

/** A list, separated by commas or line breaks. */
export function listSetting(RED: NodeAPI, value: unknown): string[] {
  return textSetting(RED, value)
    .split(/[,\n]/)
    .map((item) => item.trim())
    .filter((item) => item !== '');
}
