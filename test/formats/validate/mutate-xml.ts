/** Changes the XML of a valid resource at a random place: what JSON cannot say, such as the order of elements. */
import type { Random } from './mutate';

/** An element by its place in the text. */
interface Tag {
  name: string;
  path: string;
  /** Offsets: of `<`, behind the opening tag, of the closing tag (or behind the opening one), behind all of it. */
  start: number;
  inner: number;
  close: number;
  end: number;
  parent: Tag | undefined;
  children: Tag[];
}

/** Returns the elements of an XML document, outside of narratives. */
function tagsOf(xml: string): Tag[] {
  const tags: Tag[] = [];
  let open: Tag | undefined;
  let narrative = 0;
  for (const match of xml.matchAll(
    /<!--[^]*?-->|<\?[^]*?\?>|<(\/?)([\w:.-]+)(?:\s+[\w:.-]+\s*=\s*(?:"[^"]*"|'[^']*'))*\s*(\/?)>/g,
  )) {
    const [text, isEnd, name, isEmpty] = match;
    if (name === undefined) continue;
    if (narrative > 0 && name !== 'div') continue;
    if (isEnd === '/') {
      if (name === 'div' && (narrative -= 1) > 0) continue;
      if (open) {
        open.close = match.index;
        open.end = match.index + text.length;
        open = open.parent;
      }
      continue;
    }
    if (narrative > 0) {
      if (isEmpty !== '/') narrative += 1;
      continue;
    }
    const inner = match.index + text.length;
    const tag: Tag = {
      name,
      path: open ? `${open.path}.${name}` : name,
      start: match.index,
      inner,
      close: inner,
      end: inner,
      parent: open,
      children: [],
    };
    open?.children.push(tag);
    tags.push(tag);
    if (isEmpty === '/') continue;
    if (name === 'div') narrative = 1;
    open = tag;
  }
  return tags;
}

interface XmlMutator {
  kind: string;
  isHarmless?: true;
  applies: (tag: Tag, xml: string) => boolean;
  apply: (tag: Tag, xml: string, random: Random) => string;
}

const opening = (tag: Tag, xml: string): string => xml.slice(tag.start, tag.inner);
const withOpening = (tag: Tag, xml: string, text: string): string =>
  xml.slice(0, tag.start) + text + xml.slice(tag.inner);
const insert = (xml: string, at: number, text: string): string => xml.slice(0, at) + text + xml.slice(at);
const hasValue = (tag: Tag, xml: string): boolean => /\svalue=/.test(opening(tag, xml));
const follower = ({ parent, end }: Tag): Tag | undefined => parent?.children.find(({ start }) => start >= end);
const isInner = ({ parent, name }: Tag): boolean => parent !== undefined && /^[a-z]/.test(name);
const another =
  (value: string) =>
  (tag: Tag, xml: string): string =>
    withOpening(
      tag,
      xml,
      opening(tag, xml).replace(/(\svalue=)(?:"[^"]*"|'[^']*')/, (_, before: string) => `${before}"${value}"`),
    );

const VALUES = [
  '',
  ' ',
  'x',
  'TRUE',
  'bogus',
  '20180710',
  '2018-07-10T25:00:00Z',
  '01/02/1980',
  '-1',
  '1.50',
  '1e3',
  '007',
  'a  b',
  '&#9;x',
  'urn:uuid:X',
];

const XML_MUTATORS: readonly XmlMutator[] = [
  {
    kind: 'a comment',
    isHarmless: true,
    applies: isInner,
    apply: ({ start }, xml) => insert(xml, start, '<!-- a comment -->'),
  },
  {
    kind: 'white space',
    isHarmless: true,
    applies: isInner,
    apply: ({ start }, xml) => insert(xml, start, '\n\t  '),
  },
  {
    kind: 'elements in another order',
    applies: (tag) => isInner(tag) && follower(tag) !== undefined && follower(tag)?.name !== tag.name,
    apply: (tag, xml) => {
      const next = follower(tag) ?? tag;
      return (
        xml.slice(0, tag.start) +
        xml.slice(next.start, next.end) +
        xml.slice(tag.end, next.start) +
        xml.slice(tag.start, tag.end) +
        xml.slice(next.end)
      );
    },
  },
  {
    kind: 'an element twice',
    applies: isInner,
    apply: (tag, xml) => insert(xml, tag.end, xml.slice(tag.start, tag.end)),
  },
  {
    kind: 'an element is missing',
    applies: isInner,
    apply: (tag, xml) => xml.slice(0, tag.start) + xml.slice(tag.end),
  },
  {
    kind: 'no content',
    applies: isInner,
    apply: (tag, xml) => `${xml.slice(0, tag.start)}<${tag.name}/>${xml.slice(tag.end)}`,
  },
  {
    kind: 'another attribute',
    applies: isInner,
    apply: (tag, xml) => insert(xml, tag.start + 1 + tag.name.length, ' code="x"'),
  },
  {
    kind: 'an id attribute',
    isHarmless: true,
    applies: (tag, xml) =>
      isInner(tag) && !/\sid=/.test(opening(tag, xml)) && !/^(id|div|resource|contained)$/.test(tag.name),
    apply: (tag, xml) => insert(xml, tag.start + 1 + tag.name.length, ' id="an-id"'),
  },
  {
    kind: 'an unknown element',
    applies: (tag) => tag.children.length > 0,
    apply: (tag, xml, random) => insert(xml, random(2) === 0 ? tag.inner : tag.close, '<subtitle value="x"/>'),
  },
  {
    kind: 'text beside elements',
    applies: (tag) => tag.children.length > 0,
    apply: ({ inner }, xml) => insert(xml, inner, 'text'),
  },
  {
    kind: 'another value',
    applies: (tag, xml) => isInner(tag) && hasValue(tag, xml),
    apply: (tag, xml, random) => another(VALUES[random(VALUES.length)] ?? '')(tag, xml),
  },
  {
    kind: 'another namespace',
    applies: (tag, xml) => isInner(tag) && !opening(tag, xml).includes('xmlns'),
    apply: (tag, xml, random) =>
      insert(
        xml,
        tag.start + 1 + tag.name.length,
        ` xmlns="${random(2) === 0 ? 'http://hl7.org/fhir' : 'https://example.org/x'}"`,
      ),
  },
  {
    kind: 'a value as text',
    applies: (tag, xml) => isInner(tag) && hasValue(tag, xml) && tag.inner === tag.end,
    apply: (tag, xml) => `${xml.slice(0, tag.start)}<${tag.name}>x</${tag.name}>${xml.slice(tag.end)}`,
  },
  {
    kind: 'a misspelt element',
    applies: (tag) => isInner(tag) && tag.name !== 'div',
    apply: (tag, xml) => {
      const text = xml
        .slice(tag.start, tag.end)
        .replace(/^<[\w:.-]+/, `<${tag.name}s`)
        .replace(/<\/[\w:.-]+\s*>$/, `</${tag.name}s>`);
      return xml.slice(0, tag.start) + text + xml.slice(tag.end);
    },
  },
];

/** Returns changed XML, and what was changed; undefined where the mutator that was drawn has no place in it. */
export function mutateXml(
  xml: string,
  random: Random,
  harmless: boolean,
): { kind: string; path: string; xml: string } | undefined {
  const mutators = XML_MUTATORS.filter(({ isHarmless }) => (isHarmless === true) === harmless);
  const mutator = mutators[random(mutators.length)];
  if (!mutator) return undefined;
  const places = tagsOf(xml).filter((tag) => mutator.applies(tag, xml));
  const tag = places[random(Math.max(places.length, 1))];
  return tag && { kind: mutator.kind, path: tag.path, xml: mutator.apply(tag, xml, random) };
}
