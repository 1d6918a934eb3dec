/**
 * Workflow patterns, as the inbox's `workflow_filter` has them: `W` equals, `W*` begins with, `*W*` contains, and the
 * same after a `!` for the opposite. Source: mesh-api.yaml, list_messages.
 */

/** Says whether a workflow id fits. */
export type WorkflowMatcher = (workflowId: string) => boolean;

/**
 * One pattern. Beyond MESH's own forms `*W` (ends with) is understood too, because people write `*_ACK` for the
 * acknowledgement workflows; it is never sent to MESH. Empty: everything fits.
 */
export function workflowMatcher(pattern: string): WorkflowMatcher {
  const trimmed = pattern.trim();
  if (trimmed === '') return () => true;
  if (trimmed.startsWith('!')) {
    const opposite = workflowMatcher(trimmed.slice(1));
    return (workflowId) => !opposite(workflowId);
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
 * Several patterns: a workflow fits if any of the plain ones does (or there is none), and every one with `!`.
 * `TOC_*, !*_ACK` is everything of Transfer of Care but its acknowledgements.
 */
export function workflowsMatcher(patterns: readonly string[]): WorkflowMatcher {
  const wanted = patterns.filter((pattern) => pattern.trim() !== '');
  const plain = wanted.filter((pattern) => !pattern.trim().startsWith('!')).map(workflowMatcher);
  const opposite = wanted.filter((pattern) => pattern.trim().startsWith('!')).map(workflowMatcher);
  return (workflowId) =>
    (plain.length === 0 || plain.some((fits) => fits(workflowId))) && opposite.every((fits) => fits(workflowId));
}
