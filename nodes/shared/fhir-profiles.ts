/** What nodes that validate read of a mesh-fhir-profiles. */
import type { Node, NodeAPI } from 'node-red';
import { ConfigurationError } from '../../lib/index';
import { sharedText } from './texts';

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
export function definitionsOf(RED: NodeAPI, id: string | undefined): { sources: string[]; generation?: string } {
  if (id === undefined || id === '') return { sources: [] };
  const node = RED.nodes.getNode(id) as FhirProfilesNode | null;
  if (node === null) throw new ConfigurationError(sharedText(RED, 'error.no-profiles'));
  return { sources: node.sources(), generation: node.generation };
}
