/** Reads settings as Node-RED stores them: numbers may be strings, and `${VAR}` stays literal while VAR is not set. */
import type { Node, NodeAPI } from 'node-red';
import { ConfigurationError, namedVariable } from '../../lib/index';
import { sharedText } from './texts';

/**
 * Returns a text setting, trimmed; empty when it is not set.
 * @throws ConfigurationError when the environment variable that it names is not set or empty (create-node.ts)
 */
export function textSetting(RED: NodeAPI, value: unknown): string {
  const text = typeof value === 'string' || typeof value === 'number' ? String(value).trim() : '';
  const variable = namedVariable(text);
  if (variable !== undefined) throw new ConfigurationError(sharedText(RED, 'error.variable-not-set', { variable }));
  return text;
}

/**
 * Returns a number within the limits, both included; `fallback` when the setting is blank.
 * @throws ConfigurationError for any other value
 */
export function numberSetting(
  RED: NodeAPI,
  field: string,
  value: unknown,
  limits: { fallback: number; min: number; max: number },
): number {
  const text = textSetting(RED, value);
  if (text === '') return limits.fallback;
  const number = Number(text);
  if (Number.isFinite(number) && number >= limits.min && number <= limits.max) return number;
  throw new ConfigurationError(sharedText(RED, 'error.number', { field, min: limits.min, max: limits.max }));
}

/**
 * Returns one of the values that the editor offers; the first when the setting is blank.
 * @throws ConfigurationError for any other value
 */
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

/** Returns the items of a list that is separated by commas or line breaks. */
export function listSetting(RED: NodeAPI, value: unknown): string[] {
  return textSetting(RED, value)
    .split(/[,\n]/)
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** What nodes that validate read of a mesh-fhir-profiles. */
export interface FhirProfilesNode extends Node {
  /** Paths of packages, folders and files. @throws ConfigurationError when an environment variable is not set */
  sources(): string[];
  /** Unlike for any two deploys of the node, so that changed files are read again. */
  generation: string;
}

/**
 * Returns the definitions that a config node names; none for no config node: HL7's own are built in.
 * @throws ConfigurationError when the config node does not run
 */
export function definitionsSetting(RED: NodeAPI, id: string | undefined): { sources: string[]; generation?: string } {
  if (id === undefined || id === '') return { sources: [] };
  const node = RED.nodes.getNode(id) as FhirProfilesNode | null;
  if (node === null) throw new ConfigurationError(sharedText(RED, 'error.no-profiles'));
  return { sources: node.sources(), generation: node.generation };
}
