/** What the command and the process of one test file say to each other. */
import type { TestResult } from './flow-run';
import type { TestFile } from './test-file';
import type { FlowNode } from './test-flow';

/** What one process runs. */
export interface FileToRun {
  file: TestFile;
  flow: FlowNode[];
  /** The package.json of Node-RED. */
  nodeRed: string;
  /** The user folder whose palette the flow uses; undefined: this package alone. */
  userDir: string | undefined;
  isUpdating: boolean;
}

/** How one file ended. */
export interface FileResult {
  results: TestResult[];
  /** The ids of the nodes that a message reached or left. */
  reached: string[];
  /** Why no test could run. */
  failed?: string;
}
