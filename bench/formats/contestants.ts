/**
 * What each contestant of the part `formats` does with each format: the library, and packages from npm. All get the
 * bytes of a payload, and those that write return bytes.
 */
import { join } from 'node:path';
import type { Hl7Message as MedplumMessage } from '@medplum/core';
import type * as Library from '../../lib/index';
import type { Format } from './inputs';

/** One contestant's way with one format. `Parsed` is its own structure. */
export interface Converter<Parsed> {
  parse: (bytes: Buffer) => Parsed;
  /** Reads whatever `parse` has left unread. Only lazy contestants have it. */
  readAll?: (parsed: Parsed) => unknown;
  /**
   * Three fields from the beginning, the middle and the end. HL7: MSH-9.2, PID-5.1, the last OBX-3.1; EDIFACT: the
   * interchange's reference, the first patient's family name, the last result; FHIR: the bundle's type, the patient's
   * family name, the last entry's fullUrl.
   */
  read: (parsed: Parsed) => unknown[];
  /** Changes the patient's family name to `CHANGED`. */
  change?: (parsed: Parsed) => void;
  /** Contestants without it only read. */
  serialise?: (parsed: Parsed) => Buffer;
  /** XML to JSON text and back: FHIR only. */
  toJson?: (bytes: Buffer) => Buffer;
  fromJson?: (bytes: Buffer) => Buffer;
}

export type ContestantName = 'library' | '@medplum/core' | 'node-hl7-client' | 'edifact' | 'fhir';

/** Which contestants know a format, ours first. */
export const KNOWN_BY: Record<Format, readonly ContestantName[]> = {
  hl7: ['library', '@medplum/core', 'node-hl7-client'],
  edifact: ['library', 'edifact'],
  fhir: ['library', 'fhir'],
};

/**
 * Returns a contestant's converter of a format.
 * @param folder `node_modules` with the peers that `npm run bench:peers` installs
 */
export function converterOf(name: ContestantName, format: Format, folder: string): Converter<unknown> {
  const found = { library: ours, '@medplum/core': medplum, 'node-hl7-client': nodeHl7, edifact, fhir }[name];
  return found(format, folder) as Converter<unknown>;
}

const ours = (format: Format): object => ({ hl7: oursHl7, edifact: oursEdifact, fhir: oursFhir })[format]();

// eslint-disable-next-line typescript/no-require-imports -- the built library, as users call it
const library = (): typeof Library => require(join(__dirname, '../../dist/lib/index.js')) as typeof Library;

// oxlint-disable-next-line typescript/no-explicit-any -- what each package returns is its own affair
type Plain = Record<string, any>;

function oursHl7(): Converter<Plain> {
  const { readHl7, writeHl7 } = library();
  return {
    parse: (bytes) => readHl7(bytes),
    read: ({ MSH, PID, OBX }) => [MSH[0].f9[0].c2, PID[0].f5[0].c1, OBX.at(-1).f3[0].c1],
    change({ PID }) {
      PID[0].f5[0].c1 = 'CHANGED';
    },
    serialise: (message) => writeHl7(message) as Buffer,
  };
}

function oursEdifact(): Converter<Plain> {
  const { readEdifact, writeEdifact } = library();
  return {
    parse: (bytes) => readEdifact(bytes),
    read: ({ UNB, messages }) => [UNB[0].e5.c1, messages[0].PNA[1].e5.c2, messages.at(-1).RSL.at(-1).e2.c1],
    change({ messages }) {
      messages[0].PNA[1].e5.c2 = 'CHANGED';
    },
    serialise: (interchange) => writeEdifact(interchange) as Buffer,
  };
}

function oursFhir(): Converter<Plain> {
  const { fhirXmlToObject, fhirXmlToJson, fhirJsonToXml } = library();
  const options = { release: 'R4' } as const;
  return {
    parse: (bytes) => fhirXmlToObject(bytes, options),
    ...ofBundle,
    serialise: (resource) => Buffer.from(fhirJsonToXml(resource, options)),
    toJson: (bytes) => Buffer.from(fhirXmlToJson(bytes, options)),
    fromJson: (bytes) => Buffer.from(fhirJsonToXml(bytes, options)),
  };
}

const ofBundle = {
  read: ({ type, entry }: Plain) => [type, entry[0].resource.name[0].family, entry.at(-1).fullUrl],
  change({ entry }: Plain) {
    entry[0].resource.name[0].family = 'CHANGED';
  },
};

/** Splits subcomponents when they are asked for, and resolves no escape sequences. */
function medplum(): Converter<MedplumMessage> {
  // eslint-disable-next-line typescript/no-require-imports -- loaded only in the process of this contestant
  const { Hl7Message } = require('@medplum/core') as typeof import('@medplum/core');
  return {
    parse: (bytes) => Hl7Message.parse(bytes.toString()),
    read: (message) => [
      message.getSegment('MSH')?.getComponent(9, 2),
      message.getSegment('PID')?.getComponent(5, 1),
      message.getAllSegments('OBX').at(-1)?.getComponent(3, 1),
    ],
    change(message) {
      message.getSegment('PID')?.setComponent(5, 1, 'CHANGED');
    },
    serialise: (message) => Buffer.from(message.toString()),
  };
}

/** A message, segment, field, repeat, component or subcomponent of node-hl7-client. */
interface Hl7Node {
  children: Hl7Node[];
  name: string;
  get: (path: string) => Hl7Node;
  set: (path: string, value: string) => void;
  toArray: () => Hl7Node[];
  toString: () => string;
}

/** Splits nothing before it is asked for, and writes the text that it has read where nothing was changed. */
function nodeHl7(_format: Format, folder: string): Converter<Hl7Node> {
  const { Message } = packageIn(folder, 'node-hl7-client') as { Message: new (options: { text: string }) => Hl7Node };
  // Segments, fields, repeats, components, subcomponents.
  const readAll = (node: Hl7Node, depth = 5): number =>
    depth === 0 ? node.toString().length : node.children.reduce((sum, child) => sum + readAll(child, depth - 1), 0);
  return {
    parse: (bytes) => new Message({ text: bytes.toString() }),
    readAll,
    read: (message) => [
      message.get('MSH.9.2').toString(),
      message.get('PID.5.1').toString(),
      // Of several segments of one name it finds the first, so the last is looked up among all.
      message
        .toArray()
        .findLast(({ name }) => name === 'OBX')
        ?.get('.3.1')
        .toString(),
    ],
    change(message) {
      message.set('PID.5.1', 'CHANGED');
    },
    // It trims the message.
    serialise: (message) => Buffer.from(`${message.toString()}\r`),
  };
}

/** Checks the characters of the declared repertoire; it has no writer. */
function edifact(_format: Format, folder: string): Converter<Plain[]> {
  const { Reader } = packageIn(folder, 'edifact');
  return {
    parse: (bytes) => new Reader().parse(bytes.toString('latin1')),
    read: (segments) => [
      segments[0]?.['elements'][4][0],
      segments.find(({ name, elements }) => name === 'PNA' && elements[0][0] === 'PAT')?.['elements'][4][1],
      segments.findLast(({ name }) => name === 'RSL')?.['elements'][1][0],
    ],
  };
}

function fhir(_format: Format, folder: string): Converter<Plain> {
  const { Fhir } = packageIn(folder, 'fhir');
  const converter = new Fhir();
  return {
    parse: (bytes) => converter.xmlToObj(bytes.toString()),
    ...ofBundle,
    serialise: (resource) => Buffer.from(converter.objToXml(resource)),
    toJson: (bytes) => Buffer.from(converter.xmlToJson(bytes.toString())),
    fromJson: (bytes) => Buffer.from(converter.jsonToXml(bytes.toString())),
  };
}

// eslint-disable-next-line typescript/no-require-imports -- installed by npm run bench:peers
const packageIn = (folder: string, name: string): Plain => require(join(folder, name)) as Plain;
