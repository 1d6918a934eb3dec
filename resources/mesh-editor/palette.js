/** The order of this package's nodes in the palette. */
const { RED } = globalThis;

/** As in package.json: sending, receiving, folders, MLLP, formats, watching. */
const ORDER = [
  'mesh-send',
  'mesh-track',
  'mesh-lookup',
  'mesh-poll',
  'mesh-ack',
  'mesh-folder-read',
  'mesh-folder-write',
  'mesh-mllp-in',
  'mesh-mllp-response',
  'mesh-mllp-out',
  'mesh-hl7',
  'mesh-edifact',
  'mesh-fhir',
  'mesh-fhir-validate',
  'mesh-itk2',
  'mesh-letter',
  'mesh-csv',
  'mesh-code-lookup',
  'mesh-status',
  'mesh-alert',
];

/** Sorts the nodes that have arrived, each at the end of the category that shows it. */
function sortPalette() {
  for (const type of ORDER) {
    const [node] = document.querySelectorAll(`.red-ui-palette-node[data-palette-type="${type}"]`);
    node?.parentElement.append(node);
  }
}

/**
 * Keeps the order. Node-RED shows nodes as they arrive: when the palette installs the package, it fetches each one by
 * itself, and this script at the same time.
 */
export function orderPalette() {
  RED.events.on('registry:node-type-added', (type) => {
    if (ORDER.includes(type)) sortPalette();
  });
  sortPalette();
}
