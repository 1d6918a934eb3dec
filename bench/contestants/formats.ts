/** One contestant of the part `formats`, in a process of its own. */
import { readFileSync } from 'node:fs';
import { converterOf, type ContestantName, type Converter } from '../formats/contestants';
import type { Format } from '../formats/inputs';
import { jobOf, type Job } from '../formats/jobs';
import { measured, serve, type Work } from '../harness/serve';

let converter: Converter<unknown>;
let bytes: Buffer;
let json: Buffer | undefined;
let run: () => unknown;

interface Choice {
  contestant: ContestantName;
  format: Format;
  /** The payload, and for FHIR the same as JSON text. */
  file: string;
  jsonFile?: string | undefined;
  /** `node_modules` of the peers. */
  folder: string;
}

serve({
  open({ contestant, format, file, jsonFile, folder }: Choice) {
    converter = converterOf(contestant, format, folder);
    bytes = readFileSync(file);
    json = jsonFile === undefined ? undefined : readFileSync(jsonFile);
  },
  /** What the contestant reads of the payload, and reads again of what it has changed and written. */
  check() {
    const { parse, read, change, serialise } = converter;
    const parsed = parse(bytes);
    change?.(parsed);
    return { read: read(parse(bytes)), changed: serialise ? read(parse(serialise(parsed))) : null };
  },
  /** Does a job once, with nothing compiled and nothing else in memory. */
  once({ job }: { job: Job }) {
    jobOf(job, converter, bytes, json)?.();
  },
  /** Prepares a job and does it until its code is compiled. Returns how often it is done in that time; 0 if it cannot. */
  prepare({ job, milliseconds }: { job: Job; milliseconds: number }) {
    const found = jobOf(job, converter, bytes, json);
    if (!found) return { times: 0 };
    run = found;
    const began = performance.now();
    let times = 0;
    for (; times === 0 || performance.now() - began < milliseconds; times += 1) run();
    return { times };
  },
  round: ({ times }: { times: number }): Promise<Work> =>
    measured(async () => {
      for (let i = 0; i < times; i += 1) run();
      return { bytes: times * bytes.length, messages: times };
    }),
});
