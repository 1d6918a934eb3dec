/** The Python of the virtual environment that test/interop/run.ts creates. */
import { join } from 'node:path';
import { ROOT } from '../../harness/node-red';

/** The path of its interpreter. */
export const PYTHON = process.env['MESH_INTEROP_PYTHON'] ?? join(ROOT, '.venv-interop', 'bin', 'python');

/** The folder of mesh-client's source distribution, with its tests. */
export const CLIENT_SOURCE = join(ROOT, '.venv-interop', 'mesh-client-source');
