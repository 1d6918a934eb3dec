/**
 * `npm start`: starts Node-RED 5 with this package, a welcome tab that shows the example flows, and the first two of
 * them, on the built-in sandbox. The user folder is .node-red in the clone; changes there are kept. PORT sets the port
 * (1880).
 */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { exampleFlows, RealNodeRed, ROOT } from '../test/harness/node-red';
import { PICTURES, welcomeFlow } from '../test/harness/welcome';
import { freePort } from '../test/harness/ports';

/** Examples that are imported at once. The welcome tab explains how to import the rest with a click. */
const IMPORTED = ['first-message', 'file-transfer'];
const PACKAGE = '@mesh-flows/node-red-nhs-mesh';

async function main(): Promise<number> {
  const userDir = join(ROOT, '.node-red');
  const port = Number(process.env['PORT'] ?? 1880);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Error('PORT must be a number from 1 to 65535.');
  await freePort(port).catch(() => {
    throw new Error(`Port ${port} is in use. Choose another: PORT=${port + 1} npm start`);
  });
  const received = join(userDir, 'received');
  mkdirSync(received, { recursive: true });
  const isFirst = !existsSync(join(userDir, 'flows.json'));
  const nodeRed = await RealNodeRed.start({
    userDir,
    port,
    log: 'inherit',
    settings: `httpStatic: [${JSON.stringify({ path: PICTURES.folder, root: PICTURES.address })}],`,
    ...(isFirst ? { flows: [...welcomeFlow(PACKAGE, IMPORTED), ...exampleFlows(...IMPORTED)] } : {}),
    env: {
      // The file that the file transfer example sends, and the folder that it saves to.
      MESH_EXAMPLE_FILE: process.env['MESH_EXAMPLE_FILE'] ?? join(ROOT, 'README.md'),
      MESH_EXAMPLE_FOLDER: process.env['MESH_EXAMPLE_FOLDER'] ?? received,
    },
  });
  process.stdout.write(
    `\n  NHS MESH for Node-RED is running: ${nodeRed.url}\n` +
      `  Every flow with its picture: ${nodeRed.url}/welcome\n` +
      '  The tab "Welcome" lists them; press the buttons of "First message". Ctrl-C stops it.\n\n',
  );
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void nodeRed.stop());
  return nodeRed.ended();
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
