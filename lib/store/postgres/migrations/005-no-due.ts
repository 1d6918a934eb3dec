/** What is in flight is counted in memory: nothing asks which deliveries are due, and each change of a message paid for it. */
export const noDue = `
  DROP INDEX incoming_due;
`;
