/** The FHIR validator in a process of its own: loading, single validations, and the event loop while letters validate. */
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type * as Library from '../../lib/index';
import type * as Payloads from '../../lib/formats/fhir/profiles/validate-payload';
import { median } from '../../test/harness/median';
import { INPUTS } from '../formats/inputs';
import { serve } from '../harness/serve';

const DIST = join(__dirname, '../../dist/lib');
// eslint-disable-next-line typescript/no-require-imports -- the built library, as users call it
const library = (): typeof Library => require(join(DIST, 'index.js')) as typeof Library;
// eslint-disable-next-line typescript/no-require-imports -- what a worker thread of it runs
const payloads = (): typeof Payloads =>
  require(join(DIST, 'formats/fhir/profiles/validate-payload.js')) as typeof Payloads;

/** How many letters are validated at the same time while the event loop is watched. */
const AT_ONCE = 2;

interface Setting {
  /** Packages and folders of definitions. */
  sources: string[];
}

/** Returns a GP Connect Send Document with a PDF of this size. */
function letter(pdfBytes: number): Record<string, unknown> {
  const pdf = Buffer.concat([Buffer.from('%PDF-1.4\n'), Buffer.alloc(pdfBytes, 'An example letter. ')]);
  const fields = {
    title: 'Clinic letter',
    type: { code: '823681000000100', display: 'Outpatient letter' },
    written: '2026-01-15T09:30:00Z',
    patient: { nhsNumber: '9990000018', numberStatus: '01', family: 'TESTPATIENT', birthDate: '1970-01-01' },
    author: { family: 'CONSULTANT' },
    sender: { odsCode: 'X26', name: 'Example Hospital', phone: '01632960000' },
    documents: [{ contentType: 'application/pdf', content: pdf.toString('base64') }],
  } satisfies Library.Letter;
  const by = { mailboxId: 'X26ABC6', maxBytes: 100_000_000, now: Date.UTC(2026, 0, 15) };
  return library().buildLetter('send-document', fields, by).message;
}

const requestFor = (payload: Buffer | Record<string, unknown>, release: 'STU3' | 'R4', { sources }: Setting) =>
  ({ payload, release, sources, profiles: [] }) satisfies Payloads.ValidationRequest;

/** Validates again and again, and returns the median time (ms). */
async function timeOf(request: Payloads.ValidationRequest, times: number): Promise<{ ms: number }> {
  const { validatePayload } = payloads();
  const found: number[] = [];
  for (let round = 0; round < times; round += 1) {
    const began = performance.now();
    const { valid, issues } = await validatePayload(request);
    found.push(performance.now() - began);
    if (!valid)
      throw new Error(`the bench's payload is not valid: ${issues.find(({ severity }) => severity === 'error')?.text}`);
  }
  return { ms: median(found) };
}

serve({
  /** What is held after a collection (MiB). */
  heap: () => {
    (globalThis as { gc?: () => void }).gc?.();
    return { heapMiB: process.memoryUsage().heapUsed / 2 ** 20 };
  },
  /** Reads the definitions that a letter needs, as the first message of a worker does. */
  load: (setting: Setting) => timeOf(requestFor(letter(1000), 'STU3', setting), 1),
  letter: ({ times, ...setting }: Setting & { times: number }) =>
    timeOf(requestFor(letter(3_700_000), 'STU3', setting), times),
  dense: async ({ times, form, ...setting }: Setting & { times: number; form: 'xml' | 'object' }) => {
    const { bytes, json } = INPUTS.bundle.make();
    const payload = form === 'xml' ? bytes : (JSON.parse(String(json)) as Record<string, unknown>);
    const { ms } = await timeOf(requestFor(payload, 'R4', setting), times);
    return { megabytesPerSecond: (form === 'xml' ? bytes.length : (json?.length ?? 0)) / 1e6 / (ms / 1000) };
  },
  /** Validates letters in the worker threads, and watches the event loop meanwhile. */
  async loop({ letters, ...setting }: Setting & { letters: number }) {
    const { endWorkers, runInWorker } = library();
    const request = requestFor(letter(3_700_000), 'STU3', setting);
    const validate = (): Promise<unknown> => runInWorker('validate', request);
    await Promise.all(Array.from({ length: AT_ONCE }, validate));
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const began = performance.now();
    let left = letters;
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        while ((left -= 1) >= 0) await validate();
      }),
    );
    const seconds = (performance.now() - began) / 1000;
    delay.disable();
    await endWorkers();
    return { p99Ms: delay.percentile(99) / 1e6, longestMs: delay.max / 1e6, lettersPerSecond: letters / seconds };
  },
});
