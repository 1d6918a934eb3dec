/** What other nodes see of a mesh-codes. */
import type { Node, NodeAPI } from 'node-red';
import { ConfigurationError, type CodeLookup, type CodeTable } from '../../lib/index';
import { sharedText } from '../shared/texts';
import type { TableState } from './served-table';

/** A table whose unknown codes are counted and listed. */
export interface CountingCodeTable extends CodeTable {
  find(system: string | undefined, code: string): CodeLookup;
  readonly rows: number;
  /** Whether its file has changed and cannot be used, so that an earlier table is served. */
  readonly isOutdated: boolean;
}

export interface CodesNode extends Node {
  /**
   * Returns the table as it is now, when it has been read for the first time.
   * @throws ConfigurationError while there is no good one, with what is wrong
   */
  table(): Promise<CountingCodeTable>;
  /** Calls back when the table has changed, or what is wrong with it. Returns what ends that. */
  onTable(listener: (state: TableState) => void): () => void;
}

/**
 * Returns the table that a node has selected.
 * @throws ConfigurationError when it has selected none, or that one does not run
 */
export function codesSetting(RED: NodeAPI, id: string | undefined): CodesNode {
  const node = id === undefined || id === '' ? null : (RED.nodes.getNode(id) as CodesNode | null);
  if (node === null) throw new ConfigurationError(sharedText(RED, 'error.no-codes'));
  return node;
}
