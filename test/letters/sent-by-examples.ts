/** The FHIR messages that the examples send, written by a file node behind each of their mesh-send nodes. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { statedRelease } from '../../lib/formats/fhir/release';
import { startNodeRed } from '../harness/flows';
import { exampleFlows } from '../harness/node-red';
import type { HapiRelease } from '../harness/hapi';

/** The examples that send FHIR. NEMS events come from the NHS: what the example sends stands for them. */
const EXAMPLES = [
  'first-message',
  'closed-loop',
  'digital-letter',
  'fhir-validation',
  'hl7-to-itk3-letter',
  'mesh-to-fhir-server',
];
/** The mesh-send whose example shows what becomes of a letter with a fault. */
const SENDS_A_FAULT = 'fv-send2';
/** The mesh-send of digital letters, which are R4 and do not say so. */
const SENDS_R4 = 'dg-send';
/** Until nothing more is written (ms). */
const QUIET_MS = 5000;

export interface SentMessage {
  file: string;
  release: HapiRelease;
  /** Its example sends it with a fault, on purpose. */
  isFaulty: boolean;
}

/**
 * Presses every button of the examples, and returns what they sent as FHIR, in files of `folder`. Of one that states no
 * release, e.g. a letter without a profile, the examples' own counts: STU3.
 */
export async function sentByExamples(folder: string): Promise<SentMessage[]> {
  const flows = exampleFlows(...EXAMPLES);
  const sending = flows.filter(({ type }) => type === 'mesh-send');
  const writers = sending.map(({ id, z }) => ({
    id: `write-${id}`,
    type: 'file',
    z,
    name: '',
    filename: `"${join(folder, id)}-" & _msgid`,
    filenameType: 'jsonata',
    appendNewline: false,
    overwriteFile: 'true',
    createDir: true,
    encoding: 'none',
    x: 0,
    y: 0,
    wires: [[]],
  }));
  for (const node of sending) {
    const [first = [], ...others] = node['wires'] as string[][];
    node['wires'] = [[...first, `write-${node.id}`], ...others];
  }
  const { nodeRed, done } = await startNodeRed({ flows: [...flows, ...writers] });
  try {
    for (const { id, type } of flows) if (type === 'inject') await nodeRed.inject(id);
    for (let before = -1; before !== readdirSync(folder).length;) {
      before = readdirSync(folder).length;
      await sleep(QUIET_MS);
    }
  } finally {
    await done();
  }
  return readdirSync(folder).flatMap((name) => {
    const file = join(folder, name);
    const text = readFileSync(file, 'utf8');
    if (!/^\s*(?:<[^]{0,300}hl7\.org\/fhir|\{\s*"resourceType")/.test(text)) return [];
    const isR4 = statedRelease(text) === 'R4' || name.startsWith(`${SENDS_R4}-`);
    return [{ file, release: isR4 ? 'R4' : 'STU3', isFaulty: name.startsWith(`${SENDS_A_FAULT}-`) }];
  });
}
