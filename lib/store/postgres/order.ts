/**
 * The order in which messages were stored, as their lists and the indexes of these lists have it. PostgreSQL has no
 * hints: ordered by `seq` itself, a list could be planned as a walk along the primary key, through years of messages in
 * other states, until the page is full. Only the indexes that are made for lists have this expression.
 * @param table the alias of the table in the statement, with a dot
 */
export function orderOf(table = ''): string {
  return `(${table}seq + 0)`;
}
