/**
 * The NHS JavaScript client (nhs-mesh-client) at its best: one kept-alive connection, logging off. The client reads
 * files and messages whole, always gzips what it sends in chunks, and verifies no certificate.
 */
import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { Agent } from 'node:https';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const mesh = await import(pathToFileURL(join(process.argv[2], 'index.js')).href);
let at;

async function measured(work) {
  const before = process.cpuUsage();
  const began = performance.now();
  const result = await work();
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(before);
  return { ...result, seconds, cpuSeconds: (user + system) / 1e6 };
}

/** Throws the errors that the client returns. */
function checked(response) {
  if (response instanceof Error || !response?.status) throw new Error(String(response?.message ?? 'no response'));
  return response;
}

const commands = {
  async connect({ url, ca, cert, key }) {
    const agent = new Agent({ keepAlive: true, maxSockets: 1, ca, cert, key });
    // Sets the log level: by default the client logs what it sends.
    await mesh.loadConfig({ logLevel: 'SILENT', sandbox: 'false' });
    at = { url, sharedKey: 'TestKey', mailboxID: 'X26ABC1', mailboxPassword: 'password', agent };
    return {};
  },
  send: ({ file }) =>
    measured(async () => {
      const fileContent = readFileSync(file);
      checked(await mesh.sendChunkedMessage({ ...at, mailboxTarget: 'X26ABC2', fileContent }));
      return { bytes: fileContent.length, messages: 1 };
    }),
  receive: ({ messageId, file }) =>
    measured(async () => {
      const { data } = checked(await mesh.readMessage({ ...at, messageID: messageId }));
      const bytes = Buffer.from(data, 'utf8');
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      const target = openSync(`${file}.part`, 'w');
      for (let done = 0; done < bytes.length;) done += writeSync(target, bytes, done);
      fsyncSync(target);
      closeSync(target);
      renameSync(`${file}.part`, file);
      return { bytes: bytes.length, messages: 1, sha256 };
    }),
  smallSend({ count, file, bytes }) {
    const message = readFileSync(file).subarray(0, bytes);
    return measured(async () => {
      for (let i = 0; i < count; i += 1)
        checked(await mesh.sendMessage({ ...at, mailboxTarget: 'X26ABC2', message, workFlowId: 'BENCH' }));
      return { bytes: count * bytes, messages: count };
    });
  },
  smallReceive: () =>
    measured(async () => {
      let size = 0;
      let count = 0;
      for (;;) {
        // The client's list is one page.
        const { messages } = checked(await mesh.getMessageCount(at)).data;
        if (messages.length === 0) return { bytes: size, messages: count };
        for (const messageID of messages) {
          size += Buffer.byteLength(checked(await mesh.readMessage({ ...at, messageID })).data);
          checked(await mesh.markAsRead({ ...at, message: messageID }));
          count += 1;
        }
      }
    }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  const reply = await Promise.resolve()
    .then(() => commands[request.command](request))
    .then(
      (ok) => ({ ok: ok ?? {} }),
      (error) => ({ error: String(error?.message ?? error) }),
    );
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}
process.exit();
