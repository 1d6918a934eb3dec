/**
 * Checks narratives (FHIR, Narrative): an XHTML `div` of the formatting elements of HTML 4.0 chapters 7 to 11 and 15,
 * `a`, `img` and style attributes, with content that a person sees, and nothing that runs.
 */
import { SaxesParser } from 'saxes';
import { HTML_ENTITIES } from '../../html-entities';
import { XHTML } from '../../xml';

/** What is wrong with a narrative, by the invariant that says so; undefined when nothing is. */
export type NarrativeFault = { rule: 'xhtml' | 'txt-1' | 'txt-2'; text: string };

const ELEMENTS = new Set(
  (
    'a abbr acronym b big blockquote br caption cite code col colgroup dd dfn div dl dt em h1 h2 h3 h4 h5 h6 hr i img ' +
    'li ol p pre q samp small span strong sub sup table tbody td tfoot th thead tr tt ul var'
  ).split(' '),
);
const ATTRIBUTES = new Set(
  (
    'abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign char charoff charset ' +
    'cite class colspan compact coords dir frame headers height href hreflang hspace id lang longdesc name nowrap rel ' +
    'rev rowspan rules scope shape span src start style summary tabindex title type usemap valign value vspace width'
  ).split(' '),
);

const LIMIT = 5 * 1024 * 1024;

/** Returns what is wrong with the text of a `div`. */
export function narrativeFault(div: string): NarrativeFault | undefined {
  if (div.length > LIMIT) return { rule: 'xhtml', text: 'is longer than 5 MB' };
  let fault: NarrativeFault | undefined;
  let seen = false;
  let depth = 0;
  const found = (rule: NarrativeFault['rule'], text: string): void => {
    fault ??= { rule, text };
  };
  const parser = new SaxesParser({ xmlns: true });
  Object.assign(parser.ENTITIES, HTML_ENTITIES);
  parser.on('error', () => found('xhtml', 'is not well-formed XHTML'));
  parser.on('doctype', () => found('xhtml', 'has a document type declaration'));
  parser.on('opentag', (tag) => {
    depth += 1;
    if (depth === 1 && tag.local !== 'div') found('xhtml', 'does not begin with a div');
    if (depth === 1 && tag.uri !== XHTML) found('xhtml', `is not in the namespace ${XHTML}`);
    if (!ELEMENTS.has(tag.local)) found('txt-1', `has the element ${shown(tag.local)}, which is not allowed`);
    for (const name of Object.keys(tag.attributes)) {
      if (name.startsWith('xmlns') || name === 'xml:lang' || name === 'xml:space' || ATTRIBUTES.has(name)) continue;
      found('txt-1', `has the attribute ${shown(name)}, which is not allowed`);
    }
    if (tag.local === 'img') seen = true;
  });
  parser.on('closetag', () => {
    depth -= 1;
  });
  const text = (content: string): void => {
    if (!seen && content.trim() !== '') seen = true;
  };
  parser.on('text', text);
  parser.on('cdata', text);
  try {
    parser.write(div).close();
  } catch {
    found('xhtml', 'is not well-formed XHTML');
  }
  if (fault) return fault;
  return seen ? undefined : { rule: 'txt-2', text: 'has no text' };
}

/** A name from the payload, if it looks like one: it could be data. */
const shown = (name: string): string => (/^[A-Za-z][\w:.-]{0,30}$/.test(name) ? name : 'of another name');
