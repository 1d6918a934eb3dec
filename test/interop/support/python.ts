/** The Python of the virtual environment that test/interop/run.ts made. */
import { join } from 'node:path';

const ROOT = join(__dirname, '..', '..', '..');

/** Its interpreter. */
export const PYTHON = process.env['MESH_INTEROP_PYTHON'] ?? join(ROOT, '.venv-interop', 'bin', 'python');
