/** How a message is cut and encoded, in the words of today: a plan has an encoding, a level and the size of a chunk. */
export const plan = `
  UPDATE outgoing SET plan = json_object(
    'encoding', iif(json_extract(plan, '$.compression') = 'gzip', 'gzip', 'identity'),
    'level', iif(json_extract(plan, '$.compression') = 'gzip', 6, 0),
    'chunkBytes', json_extract(plan, '$.maxChunkBytes'),
    'totalChunks', json_extract(plan, '$.totalChunks')
  ) WHERE plan IS NOT NULL;
`;
