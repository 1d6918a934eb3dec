/** Links in the help to an example flow: they open Node-RED's import dialog with that example selected. */
import { PACKAGE } from './texts.js';

const { RED, $ } = globalThis;

/** Milliseconds. Node-RED's tree waits up to 400 ms and slides for 200 ms. */
const TREE_OPENED_AFTER_MS = 700;

function showExample(name) {
  RED.actions.invoke('core:show-examples-import-dialog');
  const tree = $('#red-ui-clipboard-dialog-import-tab-examples .red-ui-library-browser > div');
  // The tree fetches each folder from the server when it is expanded.
  tree.on('treelistchildrenloaded', (_event, folder) => {
    const isOurs = `${folder.label}/` === PACKAGE;
    const wanted = folder.children.find((child) => `${child.label}/` === PACKAGE || (isOurs && child.label === name));
    if (!wanted) return;
    if (wanted.children) {
      wanted.treeList.expand();
      return;
    }
    // Until then it has no place to scroll to, and the tree selects its first line itself when it gets the focus.
    setTimeout(() => {
      tree.treeList('select', wanted);
      wanted.treeList.label[0].scrollIntoView({ block: 'nearest' });
    }, TREE_OPENED_AFTER_MS);
  });
}

export function linkExamples() {
  $(document).on('click', 'a[data-mesh-example]', function (event) {
    event.preventDefault();
    showExample(this.dataset.meshExample);
  });
}
