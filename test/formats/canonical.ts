/**
 * Canonical XML for comparisons: no comments, no white space between elements, attributes sorted, text by character.
 */
import { SaxesParser } from 'saxes';
import { HTML_ENTITIES } from '../../lib/formats/html-entities';

interface Item {
  head: string;
  children: Array<Item | string>;
}

/** @param options.sorted sorts the children of FHIR elements by name, for documents with another order */
export function canonical(xml: string, { sorted = false } = {}): string {
  const parser = new SaxesParser({ xmlns: true });
  Object.assign(parser.ENTITIES, HTML_ENTITIES);
  const root: Item = { head: '', children: [] };
  const open = [root];
  parser.on('opentag', (tag) => {
    const attributes = Object.values(tag.attributes)
      .filter(
        ({ uri }) => uri !== 'http://www.w3.org/2000/xmlns/' && uri !== 'http://www.w3.org/2001/XMLSchema-instance',
      )
      .map(({ uri, local, value }) => `${uri}|${local}=${JSON.stringify(value)}`);
    const item: Item = { head: [`{${tag.uri}}${tag.local}`, ...attributes.sort()].join(' '), children: [] };
    open.at(-1)?.children.push(item);
    open.push(item);
  });
  parser.on('closetag', () => open.pop());
  parser.on('text', (text) => {
    const inNarrative = open.at(-1)?.head.includes('xhtml') === true;
    if (inNarrative) open.at(-1)?.children.push(text);
    else if (text.trim() !== '') throw new Error('text in FHIR');
  });
  parser.write(xml).close();
  const name = (item: Item | string): string => (typeof item === 'string' ? '' : (item.head.split(' ')[0] ?? ''));
  const write = (item: Item | string): string => {
    if (typeof item === 'string') return JSON.stringify(item);
    const children =
      sorted && !item.head.includes('xhtml')
        ? item.children.toSorted((a, b) => (name(a) < name(b) ? -1 : name(a) > name(b) ? 1 : 0))
        : item.children;
    return `<${item.head}>${children.map(write).join('')}</>`;
  };
  return write(root);
}
