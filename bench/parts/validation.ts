/**
 * The FHIR validator: loading the definitions, a letter of 5 MB that is mostly PDF, a dense bundle, and the event loop of
 * a process whose worker threads validate letters. With `MESH_REFERENCE` also by the profiles that the letters claim.
 */
import { join } from 'node:path';
import { Child } from '../harness/child';
import type { Settings } from '../settings';

/** Figures by one set of definitions. */
export interface ValidationFigures {
  definitions: 'base' | 'base and ITK3';
  /** Until the first letter is validated (ms), what the definitions then hold of the heap, and the peak of the process (MiB). */
  load: { ms: number; heldMiB: number; peakMiB: number };
  /** A parsed Send Document of 5 MB (ms). */
  letterMs: number;
  /** A bundle of 200 small R4 resources, MB (of 1,000,000 bytes of JSON or XML) a second. */
  dense: { object: number; xml: number };
  /** While two letters of 5 MB at a time are validated in the worker threads. */
  loop: { p99Ms: number; longestMs: number; lettersPerSecond: number };
}

export async function validation({ validations, say }: Settings): Promise<ValidationFigures[]> {
  const reference = process.env['MESH_REFERENCE'];
  const sets: Array<[ValidationFigures['definitions'], string[]]> = [['base', []]];
  if (reference !== undefined) sets.push(['base and ITK3', [join(reference, 'fhir-profiles', 'stu3')]]);
  const figures: ValidationFigures[] = [];
  for (const [definitions, sources] of sets) {
    const child = Child.script('contestants/validation.ts');
    const times = validations;
    const held = async (): Promise<number> => (await child.ask<{ heapMiB: number }>('heap')).heapMiB;
    const before = await held();
    const { idleMiB } = await child.ask<{ idleMiB: number }>('idle');
    const { ms } = await child.ask<{ ms: number }>('load', { sources });
    const { peakMiB } = await child.ask<{ peakMiB: number }>('peak');
    const heldMiB = (await held()) - before;
    const { ms: letterMs } = await child.ask<{ ms: number }>('letter', { sources, times });
    const dense = async (form: string): Promise<number> => {
      const found = await child.ask<{ megabytesPerSecond: number }>('dense', { sources, times, form });
      return found.megabytesPerSecond;
    };
    const rates = { object: await dense('object'), xml: await dense('xml') };
    const loop = await child.ask<ValidationFigures['loop']>('loop', { sources, letters: 4 * times });
    await child.stop();
    figures.push({ definitions, load: { ms, heldMiB, peakMiB: peakMiB - idleMiB }, letterMs, dense: rates, loop });
    say(`validation by ${definitions}: a letter of 5 MB in ${letterMs.toFixed(1)} ms`);
  }
  return figures;
}
