/**
 * Maps an HL7 v2 message to FHIR. Its segments are taken in their order; each row of the map that is for a segment takes
 * its value, asks its condition, converts the value and writes it into the resource that is open. That is all: what is
 * read and what is written stands in the map.
 */
import { hash } from 'node:crypto';
import { InvalidMessageError } from '../errors';
import type { Hl7Message } from '../formats/hl7/message';
import { segmentsInOrder, type SegmentObject } from '../formats/segments';
import { toBundle, type BundleKind, type MappedResource } from './bundle';
import type { CodeTable } from './codes/code-table';
import type { CompiledRow, Coverage, MapCompiler, MessagePlan, SegmentPlan } from './compile-map';
import type { ConditionContext, VariableName } from './condition';
import { isNull, type ConversionContext } from './data-types';
import { Reporter, type MappingReport, type NotWritten } from './report';
import { partAt, repeatsOf, textIn, textOf, type Part, type SourcePath } from './source-path';
import type { ElementFinder, FhirObject } from './target';
import { shippedTables } from './value-tables';

export interface MappingSettings {
  /** Systems of assigning authorities and of coding systems, by the names that messages use: `RXX01` for a PAS. */
  systems?: Readonly<Record<string, string>>;
  /** Where a name that is not in `systems` gets its URI from: the name is added to it. Default: none. */
  localSystem?: string;
  /** What comes out. Default `message`. */
  output?: BundleKind | 'resources';
  /** Whether resources claim the profiles of UK Core. Default false. */
  ukCore?: boolean;
  /** Whether the report has the row of each value. Default false. */
  trace?: boolean;
}

export interface MappedMessage {
  /** A Bundle, or the resources. */
  payload: FhirObject | FhirObject[];
  mapping: MappingReport;
}

/**
 * Maps a message, as lib/formats/hl7 has read it.
 * @throws InvalidMessageError when it has no MSH with a type
 */
export function hl7ToFhir(message: Hl7Message, compiler: MapCompiler, settings: MappingSettings = {}): MappedMessage {
  const mapping = new Mapping(message, compiler, settings);
  const { bundle, resources } = mapping.run();
  const { output = 'message', ukCore = false } = settings;
  const payload =
    output === 'resources'
      ? resources.map(({ resource }) => resource)
      : toBundle(output, bundle, resources, { event: mapping.event });
  if (ukCore) for (const { type, resource } of resources) claimUkCore(type, resource);
  return { payload, mapping: mapping.report() };
}

/** Types that have a UK Core profile of their own name, and are made here. */
const UK_CORE = new Set(
  (
    'AllergyIntolerance Appointment Condition DiagnosticReport DocumentReference Encounter Location MessageHeader ' +
    'Observation Organization Patient Practitioner Procedure Provenance RelatedPerson ServiceRequest Specimen'
  ).split(' '),
);

function claimUkCore(type: string, resource: FhirObject): void {
  if (!UK_CORE.has(type)) return;
  const meta = (resource['meta'] ??= {}) as { profile?: string[] };
  (meta.profile ??= []).push(`https://fhir.hl7.org.uk/StructureDefinition/UKCore-${type}`);
}

/** A value that waits for its resource to be opened. */
interface Waiting {
  row: CompiledRow;
  path: string;
  write: (resource: MappedResource) => void;
  /** Whether it is missed if it never comes: no other row has written its value. */
  isMissed: boolean;
}

/** One message on its way. */
class Mapping implements ConditionContext, ConversionContext {
  readonly systems: Readonly<Record<string, string>>;
  readonly localSystem: string;
  readonly event: string;
  table: CodeTable | undefined;

  readonly #message: Hl7Message;
  readonly #plan: MessagePlan;
  readonly #reporter: Reporter;
  readonly #messageType: string;
  /** What the ids of its resources are made of: a message that is mapped again has the same. */
  readonly #seed: string;
  readonly #resources: MappedResource[] = [];
  /** The open resource of each name. */
  readonly #open = new Map<string, MappedResource>();
  readonly #shared = new Map<string, MappedResource>();
  readonly #counts = new Map<string, number>();
  readonly #waiting = new Map<string, Waiting[]>();
  /** Elements of lists by their labels, for {@link ElementFinder}. */
  readonly #elements = new Map<unknown[], Map<string, FhirObject>>();
  readonly #latest = new Map<string, SegmentObject>();
  readonly #occurrences = new Map<string, number>();

  #segment: SegmentObject = {};
  #segmentName = '';
  #segmentNumber = 0;
  #previous = '';
  #owner = '';
  /** The repeat that is being mapped: a condition on its field is about it. */
  #field: number | undefined;
  #repeat: unknown;
  #repeatIndex = 0;
  #row: CompiledRow | undefined;

  constructor(message: Hl7Message, compiler: MapCompiler, settings: MappingSettings) {
    const [msh] = Array.isArray(message.MSH) ? message.MSH : [];
    const at = (field: number, component = 1): string =>
      msh === undefined ? '' : textIn(repeatsOf(msh, field)[0], component).trim();
    this.#message = message;
    this.#messageType = at(9);
    this.event = at(9, 2) || eventOf(message);
    if (this.#messageType === '') {
      throw new InvalidMessageError('The HL7 message cannot be mapped: MSH-9 does not say what it is.', {
        advice: 'Map messages with MSH; batches are split before.',
      });
    }
    this.systems = settings.systems ?? {};
    this.localSystem = settings.localSystem ?? '';
    this.#plan = compiler.planFor(this.#messageType, this.event);
    this.#reporter = new Reporter(compiler.map, settings.trace === true);
    this.#seed = [at(3), at(4), at(7), at(10)].join('|');
  }

  run(): { bundle: FhirObject; resources: MappedResource[] } {
    const bundle: MappedResource = { name: 'Bundle', type: 'Bundle', fullUrl: '', resource: {} };
    this.#open.set('Bundle', bundle);
    for (const { name, segment } of segmentsInOrder(this.#message)) {
      this.#begin(name, segment);
      this.#mapSegment();
    }
    this.#endWaiting();
    return { bundle: bundle.resource, resources: this.#resources };
  }

  report(): MappingReport {
    return this.#reporter.report();
  }

  #begin(name: string, segment: SegmentObject): void {
    if (name !== this.#segmentName) this.#owner = this.#segmentName;
    this.#previous = this.#segmentName;
    this.#segmentName = name;
    this.#segment = segment;
    this.#segmentNumber += 1;
    this.#latest.set(name, segment);
    this.#occurrences.set(name, (this.#occurrences.get(name) ?? 0) + 1);
  }

  #mapSegment(): void {
    const plan = this.#plan.segment(this.#segmentName, this.#occurrences.get(this.#segmentName) ?? 1, this.#owner);
    /** Places of values that a row has written, and the failures of the others, which count only where none has. */
    const taken = new Set<number>();
    const failures: Array<{ place: number; report: () => void }> = [];
    for (const row of plan.rows) {
      this.#row = row;
      const { source } = row;
      if (source.field === undefined) {
        this.#field = undefined;
        this.#repeatIndex = 0;
        if (row.condition?.holds(this) !== false) this.#apply(row, '', source.text);
        continue;
      }
      /** A row that only asks whether there is a value: a constant, a reference, a resource to open. */
      const asksOnly = row.reads?.length === 0;
      this.#field = source.field;
      const repeats = repeatsOf(this.#segment, source.field);
      for (let index = 0; index < repeats.length; index += 1) {
        if (source.repeat !== undefined && source.repeat !== index + 1) continue;
        this.#repeat = repeats[index];
        this.#repeatIndex = index;
        const part = partAt(this.#repeat, source);
        if (part === undefined) continue;
        const failure = this.#mapValue(row, part);
        if (asksOnly) continue;
        const place = placeOf(source, index);
        if (failure === undefined) taken.add(place);
        else failures.push({ place, report: failure });
      }
    }
    for (const { place, report } of failures) {
      if (taken.has(place)) continue;
      // One reason is enough: that of the first row.
      taken.add(place);
      report();
    }
    this.#reportUnmapped(plan);
  }

  /** Maps one value by one row. Returns undefined if that is done, or else what reports why not. */
  #mapValue(row: CompiledRow, part: Part): (() => void) | undefined {
    const { id } = row.row;
    const { text } = row.source;
    if (row.target === undefined && row.condition === undefined) return undefined;
    if (isNull(part)) return () => this.#reporter.notWritten(id, text, 'deleted');
    if (row.condition?.holds(this) === false) {
      return () => this.#reporter.condition(id, text, row.row.condition);
    }
    const failure = this.#apply(row, part, text);
    if (failure === undefined) return undefined;
    return () => {
      if (typeof failure === 'string') this.#reporter.notWritten(id, text, failure);
      else failure.isMissed = true;
    };
  }

  /** Does what a row says. Returns why it could not, or what it waits for. */
  #apply(row: CompiledRow, part: Part, path: string): NotWritten | Waiting | undefined {
    const { target } = row;
    if (target === undefined) return undefined;
    if (target.isResource) {
      this.#openResource(target.resource, target.resourceType);
      return undefined;
    }
    if (row.refersTo !== undefined) {
      this.#refer(row, row.refersTo, path);
      return undefined;
    }
    this.table = row.table;
    const value = row.produce(part, this, this.event);
    if (value === undefined) return 'not-of-its-type';
    return this.#write(row, value, path);
  }

  #write(row: CompiledRow, value: unknown, path: string): NotWritten | Waiting | undefined {
    const { target } = row;
    if (target === undefined) return undefined;
    const find = this.#elementFinder();
    const write = (to: MappedResource): NotWritten | undefined => {
      const failure = target.write(to.resource, value, find, row.appends);
      if (failure !== undefined) return failure;
      this.#reporter.wrote(row.row.id, path, target.text, to.fullUrl);
      return undefined;
    };
    const open = this.#open.get(target.resource);
    if (open) return write(open);
    if (!this.#plan.opened.has(target.resource)) return 'no-resource';
    return this.#wait(target.resource, { row, path, write, isMissed: false });
  }

  /** Finds elements for the segment and the repeat that are being mapped now, also when it is asked later. */
  #elementFinder(): ElementFinder {
    const place = `#${this.#segmentNumber}#${this.#repeatIndex}`;
    return (list, label) => {
      let known = this.#elements.get(list);
      if (known === undefined) this.#elements.set(list, (known = new Map<string, FhirObject>()));
      let element = known.get(label + place);
      if (element === undefined) {
        element = {};
        known.set(label + place, element);
        list.push(element);
      }
      return element;
    };
  }

  #openResource(name: string, type: string): void {
    const count = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, count);
    const opened = this.#add(name, type, `${name}#${count}`);
    this.#open.set(name, opened);
    const waiting = this.#waiting.get(name) ?? [];
    this.#waiting.delete(name);
    for (const { write } of waiting) write(opened);
  }

  #add(name: string, type: string, key: string): MappedResource {
    const fullUrl = `urn:uuid:${uuidOf(`${this.#seed}|${key}`)}`;
    const added = { name, type, fullUrl, resource: { resourceType: type } };
    this.#resources.push(added);
    return added;
  }

  /** Writes a reference to the resource of a name: the one that is open, or the first that will be. */
  #refer(row: CompiledRow, name: string, path: string): void {
    const to = this.#open.get(name);
    if (to) this.#write(row, { reference: to.fullUrl }, path);
    else if (this.#plan.opened.has(name)) {
      const open = this.#open.get(row.target?.resource ?? '');
      const find = this.#elementFinder();
      const write = (target: MappedResource): void => {
        if (open) row.target?.write(open.resource, { reference: target.fullUrl }, find);
      };
      this.#wait(name, { row, path, write, isMissed: false });
    }
  }

  #wait(name: string, waiting: Waiting): Waiting {
    const list = this.#waiting.get(name);
    if (list) list.push(waiting);
    else this.#waiting.set(name, [waiting]);
    return waiting;
  }

  /** Values for a resource that no segment has opened are not lost without a word. */
  #endWaiting(): void {
    for (const { row, path, isMissed } of [...this.#waiting.values()].flat()) {
      if (isMissed) this.#reporter.notWritten(row.row.id, path, 'no-resource');
    }
  }

  #reportUnmapped({ fields }: SegmentPlan): void {
    const isHeader = this.#segmentName === 'MSH';
    for (const key of Object.keys(this.#segment)) {
      if (!key.startsWith('f')) continue;
      const number = Number(key.slice(1));
      if (!Number.isInteger(number) || (isHeader && number <= 2)) continue;
      const covered = fields[number];
      const repeats = repeatsOf(this.#segment, number);
      if (covered === undefined) {
        if (repeats.some(hasValue)) this.#reporter.unmapped(`${this.#segmentName}-${number}`);
      } else repeats.forEach((repeat, index) => this.#reportParts(number, repeat, index, covered));
    }
  }

  #reportParts(field: number, repeat: unknown, index: number, covered: readonly Coverage[]): void {
    if (typeof repeat !== 'object' || repeat === null) return;
    const here = covered.filter((each) => each.repeat === undefined || each.repeat === index + 1);
    if (here.some(({ parts }) => parts === undefined)) return;
    for (const key of Object.keys(repeat)) {
      if (here.some(({ parts }) => parts?.has(key) === true)) continue;
      if (hasValue((repeat as FhirObject)[key])) {
        this.#reporter.unmapped(`${this.#segmentName}-${field}.${key.slice(1)}`);
      }
    }
  }

  // What conditions ask

  textsAt(path: SourcePath): readonly string[] {
    const segment =
      path.segment === this.#segmentName && path.occurrence === undefined
        ? this.#segment
        : path.occurrence === undefined
          ? (this.#latest.get(path.segment) ?? this.#nth(path.segment, 1))
          : this.#nth(path.segment, path.occurrence);
    if (segment === undefined || path.field === undefined) return NO_TEXTS;
    const isThisRepeat = segment === this.#segment && path.field === this.#field && path.repeat === undefined;
    const repeats = isThisRepeat ? [this.#repeat] : repeatsOf(segment, path.field);
    const texts: string[] = [];
    for (const [index, repeat] of repeats.entries()) {
      if (path.repeat !== undefined && path.repeat !== index + 1) continue;
      const part = partAt(repeat, path);
      const text = path.component === undefined && part !== undefined ? firstText(part) : textOf(part);
      if (text !== '') texts.push(text);
    }
    return texts;
  }

  variable(name: VariableName): string {
    return name === 'event' ? this.event : name === 'message' ? this.#messageType : this.#previous;
  }

  #nth(name: string, number: number): SegmentObject | undefined {
    const list = this.#message[name];
    return Array.isArray(list) ? (list as SegmentObject[])[number - 1] : undefined;
  }

  // What conversions ask

  shipped(name: string): CodeTable | undefined {
    return shippedTables().get(name);
  }

  withoutCode(system: string | undefined, code: string): void {
    const { row, source } = this.#row ?? {};
    if (row && source) this.#reporter.withoutCode({ row: row.id, path: source.text, table: row.table, system, code });
  }

  share(type: string, key: string, make: () => FhirObject): FhirObject {
    const name = `${type}#${key}`;
    let shared = this.#shared.get(name);
    if (shared === undefined) {
      // Made first: what it refers to stands before it.
      const made = make();
      shared = this.#add(type, type, name);
      Object.assign(shared.resource, made);
      this.#shared.set(name, shared);
    }
    return { reference: shared.fullUrl };
  }
}

const NO_TEXTS: readonly string[] = [];

/** Returns EVN-1, where old senders have the event. */
function eventOf(message: Hl7Message): string {
  const [evn] = Array.isArray(message['EVN']) ? (message['EVN'] as SegmentObject[]) : [];
  return evn === undefined ? '' : textIn(repeatsOf(evn, 1)[0], 1);
}

/** A number for the place of a value: field, component, subcomponent and repeat. */
const placeOf = ({ field = 0, component = 0, subcomponent = 0 }: SourcePath, repeat: number): number =>
  ((repeat * 1000 + field) * 1000 + component) * 100 + subcomponent;

/** The text of a field's first component that has one: a field is empty only if all of them are. */
function firstText(part: Part): string {
  const first = textOf(part);
  if (first !== '' || typeof part === 'string') return first;
  for (const each of Object.values(part)) {
    const text = textOf(each);
    if (text !== '') return text;
  }
  return '';
}

function hasValue(value: unknown): boolean {
  if (typeof value === 'string') return value.trim() !== '' && value !== '""';
  if (typeof value === 'number' || typeof value === 'boolean') return true;
  return typeof value === 'object' && value !== null && Object.values(value).some(hasValue);
}

/** Returns a UUID that is the same for the same text: version 8, which leaves its making to us (RFC 9562). */
function uuidOf(text: string): string {
  const hex = hash('sha256', text);
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    variant + hex.slice(17, 20),
    hex.slice(20, 32),
  ].join('-');
}
