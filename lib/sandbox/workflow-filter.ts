/**
 * `workflow_filter` of list_messages: `W` equals, `W*` begins with, `*W*` contains; a leading `!` negates
 * (mesh-api.yaml, list_messages). A form that the specification does not have is read as the NHS's sandbox reads it, so
 * that a filter that would miss messages there misses them here: behind a leading asterisk the last character is dropped,
 * whatever it is, so that `*_A` is "contains _". The client's own patterns are lib/protocol/workflow-filter.
 */
export function workflowFilter(filter: string): (workflowId: string) => boolean {
  const trimmed = filter.trim();
  if (trimmed === '') return () => true;
  const negated = trimmed.startsWith('!');
  let text = negated ? trimmed.slice(1) : trimmed;
  const contains = text.startsWith('*');
  if (contains) text = text.slice(1, -1);
  const begins = text.endsWith('*');
  if (begins) text = text.slice(0, -1);
  return (workflowId) => {
    const matches = begins ? workflowId.startsWith(text) : contains ? workflowId.includes(text) : workflowId === text;
    return matches !== negated;
  };
}
