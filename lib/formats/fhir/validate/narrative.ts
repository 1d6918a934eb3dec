/**
 * Checks narratives (FHIR, Narrative): an XHTML `div` of the formatting elements of HTML 4.0 chapters 7 to 11 and 15,
 * `a`, `img` and style attributes, with content that a person sees, and nothing that runs.
 */
import { scanXml, XHTML } from '../../xml';

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
  let isFirst = true;
  let hasContent = false;
  const isWellFormed = scanXml(div, {
    open({ name, namespace, attributes }) {
      if (isFirst && name !== 'div') fault ??= { rule: 'xhtml', text: 'does not begin with a div' };
      if (isFirst && namespace !== XHTML) fault ??= { rule: 'xhtml', text: `is not in the namespace ${XHTML}` };
      isFirst = false;
      if (!ELEMENTS.has(name))
        fault ??= { rule: 'txt-1', text: `has the element ${shown(name)}, which is not allowed` };
      const refused = attributes.find((attribute) => !isAllowed(attribute));
      if (refused !== undefined) {
        fault ??= { rule: 'txt-1', text: `has the attribute ${shown(refused)}, which is not allowed` };
      }
      if (name === 'img') hasContent = true;
    },
    text(content) {
      hasContent ||= content.trim() !== '';
    },
  });
  if (!isWellFormed) return { rule: 'xhtml', text: 'is not well-formed XHTML' };
  return fault ?? (hasContent ? undefined : { rule: 'txt-2', text: 'has no text' });
}

const isAllowed = (attribute: string): boolean =>
  ATTRIBUTES.has(attribute) || /^xmlns(?::|$)|^xml:(?:lang|space)$/.test(attribute);

/** A name from the payload, if it looks like one: it could be data. */
const shown = (name: string): string => (/^[A-Za-z][\w:.-]{0,30}$/.test(name) ? name : 'of another name');
