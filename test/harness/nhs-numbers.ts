import assert from 'node:assert/strict';

/** A UUID may have ten digits in a row. */
const UUID = /\b[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}\b/gi;

/** @throws AssertionError when a text has ten digits in a row that are no part of a longer number or of a UUID */
export function assertNoNhsNumber(text: string): void {
  assert.doesNotMatch(text.replaceAll(UUID, '(id)'), /(?<!\d)\d{10}(?!\d)/);
}
