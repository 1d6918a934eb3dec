/**
 * Workflow patterns, as in the inbox's `workflow_filter`: `W` equals, `W*` begins with, `*W*` contains; a leading `!`
 * negates the pattern. Source: mesh-api.yaml, list_messages.
 */

/** Returns whether a workflow id matches. */
export type WorkflowMatcher = (workflowId: string) => boolean;

/**
 * Compiles one pattern. Besides MESH's own forms it accepts `*W` (ends with), because people write `*_ACK` for the
 * acknowledgement workflows; that form is never sent to MESH. An empty pattern matches everything.
 */
export function workflowMatcher(pattern: string): WorkflowMatcher {
  const trimmed = pattern.trim();
  if (trimmed === '') return () => true;
  if (trimmed.startsWith('!')) {
    const excluded = workflowMatcher(trimmed.slice(1));
    return (workflowId) => !excluded(workflowId);
  }
  const open = trimmed.startsWith('*');
  const close = trimmed.endsWith('*');
  const text = trimmed.replace(/^\*/, '').replace(/\*$/, '');
  if (open && close) return (workflowId) => workflowId.includes(text);
  if (close) return (workflowId) => workflowId.startsWith(text);
  if (open) return (workflowId) => workflowId.endsWith(text);
  return (workflowId) => workflowId === text;
}

/**
 * Compiles several patterns: a workflow matches if any plain pattern does (or there is none) and every pattern with `!`
 * does. `TOC_*, !*_ACK` is all of Transfer of Care except its acknowledgements.
 */
export function workflowsMatcher(patterns: readonly string[]): WorkflowMatcher {
  const sorted = sortPatterns(patterns);
  const plain = sorted.plain.map(workflowMatcher);
  const negated = sorted.negated.map(workflowMatcher);
  return (workflowId) =>
    (plain.length === 0 || plain.some((matches) => matches(workflowId))) &&
    negated.every((matches) => matches(workflowId));
}

/**
 * Returns true if `patterns` match whatever `wanted` match, as far as their texts tell: each plain pattern of `wanted`
 * is among them, and they exclude nothing that it does not exclude.
 */
export function coversPatterns(patterns: readonly string[], wanted: readonly string[]): boolean {
  const [all, own] = [patterns, wanted].map(sortPatterns) as [SortedPatterns, SortedPatterns];
  const hasPlain =
    all.plain.length === 0 || (own.plain.length > 0 && own.plain.every((each) => all.plain.includes(each)));
  return hasPlain && all.negated.every((each) => own.negated.includes(each));
}

interface SortedPatterns {
  plain: string[];
  negated: string[];
}

function sortPatterns(patterns: readonly string[]): SortedPatterns {
  const given = patterns.map((pattern) => pattern.trim()).filter((pattern) => pattern !== '');
  const isNegated = (pattern: string): boolean => pattern.startsWith('!');
  return { plain: given.filter((pattern) => !isNegated(pattern)), negated: given.filter(isNegated) };
}
