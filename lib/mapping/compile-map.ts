/** Compiles the rows of a map for one kind of message: paths, conditions, targets and conversions become functions. */
import { ConfigurationError } from '../errors';
import type { FhirRelease } from '../formats/fhir/definitions';
import type { CodeTable } from './codes/code-table';
import { compileCondition, type Condition } from './condition';
import { conversionOf, type Conversion, type ConversionContext } from './data-types';
import { rowsFor, type MapRow, type MessageMap } from './map';
import { parseSourcePath, type Part, type SourcePath } from './source-path';
import { compileTarget, type Target } from './target';
import { shippedTables } from './value-tables';

/** A compiled row. */
export interface CompiledRow {
  row: MapRow;
  source: SourcePath;
  condition: Condition | undefined;
  /** Undefined: what the source says is left out on purpose. */
  target: Target | undefined;
  table: CodeTable | undefined;
  /** The resource that a reference is to. */
  refersTo: string | undefined;
  /** Returns the value that is written. */
  produce: (part: Part, context: ConversionContext, event: string) => unknown;
  reads: Conversion['reads'];
  /** Whether a text is added to the one that is there: the type ends with `append`. */
  appends: boolean;
}

/** Which parts of a field have rows: of all its repeats, or of one. */
export interface Coverage {
  repeat: number | undefined;
  /** Keys of components (`c5`); undefined: all. */
  parts: ReadonlySet<string> | undefined;
}

/** The rows for one segment. */
export interface SegmentPlan {
  rows: readonly CompiledRow[];
  /** By the number of the field. */
  fields: ReadonlyArray<readonly Coverage[] | undefined>;
}

/** A map compiled for one kind of message. */
export interface MessagePlan {
  /** Returns the plan of a segment: of the n-th of its name, after one of another name. */
  segment(name: string, occurrence: number, owner: string): SegmentPlan;
  /** The names of resources that rows open. */
  opened: ReadonlySet<string>;
}

/** Compiles maps, each for the messages that come, and keeps what it has compiled. */
export class MapCompiler {
  readonly #plans = new Map<string, MessagePlan>();

  /**
   * @param tables the user's tables by name; they come before the shipped ones
   * @throws ConfigurationError when a row cannot be used; it names the row
   */
  constructor(
    readonly map: MessageMap,
    readonly release: FhirRelease,
    readonly tables: ReadonlyMap<string, CodeTable> = new Map(),
  ) {
    // Rows that cannot be used are found when the flow is deployed, not by the first message that needs them.
    for (const row of map.rows) this.#compile(row);
  }

  /** Returns the plan for a message: `planFor('ADT', 'A01')`. */
  planFor(message: string, event: string): MessagePlan {
    const key = `${message}^${event}`;
    let plan = this.#plans.get(key);
    if (plan === undefined) {
      plan = planOf(rowsFor(this.map, message, event).map((row) => this.#compile(row)));
      // A hostile sender names events without end; those that exist are some hundreds.
      if (this.#plans.size < MAX_PLANS) this.#plans.set(key, plan);
    }
    return plan;
  }

  #compile(row: MapRow): CompiledRow {
    try {
      return this.#compileParts(row);
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      throw new ConfigurationError(`Row ${row.id} of the map cannot be used. ${error.message}`, {
        cause: error,
        ...(error.advice === undefined ? {} : { advice: error.advice }),
      });
    }
  }

  #compileParts(row: MapRow): CompiledRow {
    const source = parseSourcePath(row.source);
    const condition = row.condition === '' ? undefined : compileCondition(row.condition);
    const target = row.target === '' ? undefined : compileTarget(row.target, this.release);
    const table = row.table === '' ? undefined : (this.tables.get(row.table) ?? shippedTables().get(row.table));
    if (row.table !== '' && table === undefined) throw new ConfigurationError(`There is no table “${row.table}”.`);
    const base = { row, source, condition, target, table, refersTo: undefined, appends: row.type.endsWith(APPEND) };
    if (target === undefined || target.isResource) return { ...base, produce: () => undefined, reads: undefined };
    if (row.type === 'Reference') {
      if (target.type !== 'Reference') throw new ConfigurationError(`${row.target} is no reference.`);
      return { ...base, refersTo: row.value, produce: () => undefined, reads: [] };
    }
    if (row.value !== '') return { ...base, produce: constant(row, target), reads: [] };
    if (source.field === undefined) throw new ConfigurationError('It has neither a value nor a field.');
    const [from = '', resource] = row.type.replace(APPEND, '').split(':');
    const to = resource ?? target.type;
    const conversion = conversionOf(from, to);
    if (!conversion) throw new ConfigurationError(`There is no data type map from ${from || 'nothing'} to ${to}.`);
    return { ...base, produce: conversion.convert, reads: conversion.reads };
  }
}

const APPEND = ' append';
const MAX_PLANS = 1000;

/** Returns what writes a row's constant, through its table if it has one. */
function constant({ value, table }: MapRow, { type }: Target): CompiledRow['produce'] {
  const conversion = table === '' ? undefined : conversionOf('ID', type);
  if (table !== '' && !conversion) throw new ConfigurationError(`A constant with a table cannot become ${type}.`);
  if (value === '%event') {
    return conversion
      ? (_part, context, event) => conversion.convert(event, context)
      : (_part, _context, event) => event;
  }
  if (conversion) return (_part, context) => conversion.convert(value, context);
  if (type === 'boolean') return () => value === 'true';
  if (/^(?:integer|positiveInt|unsignedInt|decimal)$/.test(type)) return () => Number(value);
  if (!/^[a-z]/.test(type)) throw new ConfigurationError(`A constant without a table cannot become ${type}.`);
  return () => value;
}

function planOf(rows: readonly CompiledRow[]): MessagePlan {
  const bySegment = Map.groupBy(rows, ({ source }) => source.segment);
  const plans = new Map<string, SegmentPlan>();
  const opened = new Set(rows.flatMap(({ target }) => (target?.isResource === true ? [target.resource] : [])));
  return {
    opened,
    segment: (name, occurrence, owner) => {
      const all = bySegment.get(name);
      if (all === undefined) return NO_ROWS;
      // Owners that no row names are all alike; a hostile message has thousands.
      const named = all.some(({ source }) => source.owner === owner) ? owner : '';
      const last = all.reduce((most, { source }) => Math.max(most, source.occurrence ?? 0), 0);
      const key = `${named}/${name}/${Math.min(occurrence, last + 1)}`;
      let plan = plans.get(key);
      if (plan === undefined) {
        const own = all.filter(
          ({ source }) =>
            (source.owner === undefined || source.owner === owner) &&
            (source.occurrence === undefined || source.occurrence === occurrence),
        );
        plan = { rows: own, fields: coverageOf(own) };
        plans.set(key, plan);
      }
      return plan;
    },
  };
}

const NO_ROWS: SegmentPlan = { rows: [], fields: [] };

function coverageOf(rows: readonly CompiledRow[]): Coverage[][] {
  const fields: Coverage[][] = [];
  const cover = ({ field, repeat, component }: SourcePath, reads: Conversion['reads']): void => {
    if (field === undefined) return;
    const read = component === undefined ? reads : [component];
    if (read?.length === 0) return;
    const of = (fields[field] ??= []);
    const known = of.find((each) => each.repeat === repeat);
    const parts = read && new Set(read.map((number) => `c${number}`));
    if (!known) of.push({ repeat, parts });
    else known.parts = known.parts && parts && new Set([...known.parts, ...parts]);
  };
  for (const { source, reads } of rows) cover(source, reads);
  return fields;
}
