/**
 * Reads a table of codes from a ConceptMap of FHIR STU3 or R4, as JSON. What cannot be decided by a code alone
 * (`dependsOn`) is left out with a warning, so that the code is unknown instead of wrong.
 */
import * as z from 'zod';
import type { CsvSource } from '../../formats/csv/source';
import { wholeOf } from '../../formats/csv/split';
import { MAX_CONVERTED_BYTES } from '../../formats/limits';
import { versionOf } from './read-csv';
import { CodeTableBuilder, isNoTarget, type CodeColumns, type CodeTableOptions, type ReadCodes } from './table';
import { systemUri } from './systems';
import { EQUIVALENCES, type CodeRow } from './types';

/** The names of ConceptMap's own elements, for findings. */
const ELEMENTS: Readonly<CodeColumns> = {
  sourceSystem: 'source',
  source: 'code',
  targetSystem: 'target',
  target: 'target.code',
  display: 'target.display',
  equivalence: 'target.equivalence',
  priority: 'target',
};

const text = z.string();
const targetSchema = z.looseObject({
  code: text.optional(),
  display: text.optional(),
  equivalence: z.enum(EQUIVALENCES).optional(),
  dependsOn: z.array(z.unknown()).optional(),
  product: z.array(z.unknown()).optional(),
});
const elementSchema = z.looseObject({ code: text.optional(), target: z.array(targetSchema).optional() });
const unmappedSchema = z.looseObject({
  mode: z.enum(['provided', 'fixed', 'other-map']),
  code: text.optional(),
  display: text.optional(),
});
const groupSchema = z.looseObject({
  source: text.optional(),
  target: text.optional(),
  element: z.array(elementSchema),
  unmapped: unmappedSchema.optional(),
});
const conceptMapSchema = z.looseObject({
  resourceType: z.literal('ConceptMap'),
  version: text.optional(),
  group: z.array(groupSchema).default([]),
});

type Group = z.output<typeof groupSchema>;
type Element = z.output<typeof elementSchema>;
type Target = z.output<typeof targetSchema>;

/** Reads a table; its version is the ConceptMap's own where the options have none. */
export async function readConceptMap(source: CsvSource, options: CodeTableOptions): Promise<ReadCodes> {
  const builder = new CodeTableBuilder(options, ELEMENTS);
  if (source.size > MAX_CONVERTED_BYTES) {
    builder.error({
      rule: 'bytes',
      text: `The file is larger than ${MAX_CONVERTED_BYTES / 1024 / 1024} MiB, the maximum of a ConceptMap.`,
    });
    return builder.finish('');
  }
  const bytes = await wholeOf(source.open(0, source.size), source.size);
  const read = conceptMapSchema.safeParse(parsed(bytes));
  if (!read.success) {
    const column = read.error.issues[0]?.path.join('.') ?? '';
    builder.error({ ...(column !== '' && { column }), rule: 'concept-map', text: wrongForm(parsed(bytes)) });
    return builder.finish('');
  }
  read.data.group.forEach((group, index) => addGroup(builder, group, `group[${index}]`));
  return builder.finish(read.data.version?.trim() || (await versionOf(source)));
}

/** Undefined for what is no JSON: its own error would quote the file. */
function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8').replace(/^\uFEFF/, ''));
  } catch {
    return undefined;
  }
}

function wrongForm(content: unknown): string {
  if (content === undefined) return 'The file is no JSON, or not complete.';
  const { resourceType, group } = (content ?? {}) as { resourceType?: unknown; group?: unknown };
  if (resourceType !== 'ConceptMap') return 'The file is no ConceptMap.';
  const isR5 = JSON.stringify(group ?? '').includes('"relationship":');
  return isR5 ? 'The file is a ConceptMap of R5; STU3 and R4 can be read.' : 'The ConceptMap is not of STU3 or R4.';
}

function addGroup(builder: CodeTableBuilder, group: Group, at: string): void {
  const { source, target, unmapped } = group;
  group.element.forEach((element, index) => addElement(builder, group, element, `${at}.element[${index}]`));
  if (unmapped === undefined) return;
  const system = systemUri(target ?? '');
  const inSystem = system === '' ? {} : { system };
  const { mode, code = '', display } = unmapped;
  if (mode === 'provided') builder.setDefault(source, (own) => ({ ...inSystem, code: own, equivalence: 'equal' }));
  else if (mode === 'fixed' && code.trim() !== '') {
    const fixed = { ...inSystem, code: code.trim(), ...(display !== undefined && { display }) };
    builder.setDefault(source, () => fixed);
  } else {
    builder.warn({
      column: `${at}.unmapped`,
      rule: 'unmapped',
      text: 'Another ConceptMap is not read: such codes are unknown.',
    });
  }
}

function addElement(builder: CodeTableBuilder, group: Group, element: Element, at: string): void {
  const row = (target: Target | undefined): CodeRow => ({
    at,
    sourceSystem: group.source,
    source: element.code ?? '',
    targetSystem: group.target,
    target: target?.code ?? '',
    display: target?.display,
    equivalence: target === undefined ? 'unmatched' : target.equivalence,
    priority: target?.equivalence === undefined ? undefined : EQUIVALENCES.indexOf(target.equivalence),
  });
  const isConditional = ({ dependsOn = [] }: Target): boolean => dependsOn.length > 0;
  const targets = element.target ?? [];
  if (targets.some(isConditional)) {
    builder.warn({
      column: `${at}.target.dependsOn`,
      rule: 'depends-on',
      text: 'A target that depends on other values is left out.',
    });
  }
  if (targets.some(({ product = [] }) => product.length > 0)) {
    builder.warn({
      column: `${at}.target.product`,
      rule: 'product',
      text: 'Further values that the target prescribes are not read.',
    });
  }
  const own = targets.filter((target) => !isConditional(target));
  const usable = own.filter(({ equivalence }) => !isNoTarget(equivalence));
  if (usable.length > 0) usable.forEach((target) => builder.add(row(target)));
  // Without any target, FHIR says that nothing is known of the code, which then is unknown here, too.
  else if (own[0] !== undefined) builder.add(row({ ...own[0], code: '' }));
}
