/** Which messages a row is for: types (`ADT`) and types with their event (`ADT^A40`), with blanks between them. */

/** Whether a list of messages has one; an empty list has all. */
export function hasMessage(list: string, message: string, event: string): boolean {
  if (list === '') return true;
  return list.split(/[\s,]+/).some((each) => each === message || each === `${message}^${event}`);
}
