/** Types for the part of node-red-node-test-helper that the tests use. */
import type { Node, NodeAPI } from 'node-red';

interface TestHelper {
  init(runtimePath: string, settings: object): void;
  load(nodes: Array<(RED: NodeAPI) => void>, flow: object[], credentials: object): Promise<void>;
  setFlows(flow: object[], type: 'full' | 'nodes' | 'flows', credentials: object): Promise<void>;
  unload(): Promise<void>;
  getNode(id: string): Node;
  /** The spy on Node-RED's log. */
  log(): { getCalls(): Array<{ args: unknown[] }> };
}

// eslint-disable-next-line import/no-commonjs -- it is CommonJS without types
const helper = require('node-red-node-test-helper') as TestHelper;

export { helper };
