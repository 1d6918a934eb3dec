/** The text of a FHIR narrative. */
import { parseXml, type XmlElement } from '../formats/xml';

/** Elements that begin a line of their own. */
const BLOCKS =
  /<\/?(?:[a-z]+:)?(?:p|div|tr|li|ul|ol|dl|dt|dd|table|thead|tbody|caption|h[1-6]|br|hr|pre|blockquote)\b[^>]*>/gi;
const CELLS = /<\/(?:[a-z]+:)?(?:td|th)\s*>/gi;
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0' };

/**
 * Returns the text of a narrative, a line for each paragraph and row, cells separated by ` | `. An image has no text:
 * `[image]` says that there is one.
 */
export function narrativeText(div: string | undefined): string {
  if (div === undefined) return '';
  checkXhtml(div);
  return div
    .replaceAll(/<!--[^]*?-->/g, '')
    .replaceAll(/<!\[CDATA\[([^]*?)\]\]>/g, (_all, content: string) =>
      content.replaceAll('&', '&amp;').replaceAll('<', '&lt;'),
    )
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/<(?:[a-z]+:)?img\b[^>]*>/gi, '[image]')
    .replaceAll(CELLS, ' | ')
    .replaceAll(BLOCKS, '\n')
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|(\w{1,10}));/gi, (all, decimal, hex, name: string) => {
      const code = decimal ? Number(decimal) : hex ? Number.parseInt(String(hex), 16) : undefined;
      if (code === undefined) return ENTITIES[name] ?? all;
      return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : '';
    })
    .split('\n')
    .map((line) => line.replace(/(?: \| ?)+$/, '').trim())
    .filter((line) => line !== '')
    .join('\n');
}

/** @throws UnreadableError when a narrative is no XML, and so might hide text from the rules above */
function checkXhtml(div: string): XmlElement {
  return parseXml(div);
}
