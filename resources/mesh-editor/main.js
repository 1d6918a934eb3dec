/**
 * RED.nhsMesh: what the edit dialogs of this package share, loaded by the editor plugin (nodes/mesh-editor.html). When
 * the editor opens, Node-RED loads plugins before nodes; when the palette installs the package, it fetches both at
 * once. So the nodes' scripts use RED.nhsMesh in dialogs and validators only, never to register.
 */
import { codeTable, isCodeRows } from './code-table.js';
import {
  listConfiguredMailboxes,
  olderConfiguration,
  selectOnlyMailbox,
  selectOnlyMailboxInDialog,
} from './configured-mailboxes.js';
import { deployedCodes } from './deployed-codes.js';
import { linkExamples } from './examples.js';
import { addMailboxSearch, directorySearch } from './mailbox-search.js';
import { orderPalette } from './palette.js';
import { addConnectionTest } from './test-connection.js';
import { prepareDialog } from './typed-inputs.js';
import { invalid, isBlankOrBetween, isVariable, isWholeNumber } from './validation.js';
import { isProfileList, profileList } from './workflow-profiles.js';
import { suggestWorkflows, workflowInputType } from './workflow-suggestions.js';

globalThis.RED.nhsMesh = {
  addConnectionTest,
  addMailboxSearch,
  codeTable,
  deployedCodes,
  directorySearch,
  invalid,
  isBlankOrBetween,
  isCodeRows,
  isProfileList,
  isVariable,
  isWholeNumber,
  listConfiguredMailboxes,
  olderConfiguration,
  selectOnlyMailbox,
  selectOnlyMailboxInDialog,
  prepareDialog,
  profileList,
  suggestWorkflows,
  workflowInputType,
};
linkExamples();
orderPalette();
