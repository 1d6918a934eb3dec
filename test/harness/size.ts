/**
 * How many of something a test takes: as many as show its fact in `npm test`, and all where `MESH_TEST_SIZE` is full, as
 * in `npm run test:sizes`, which CI runs too.
 */
export const size = (usual: number, full: number): number => (process.env['MESH_TEST_SIZE'] === 'full' ? full : usual);
