/** mesh-csv: checks delimited files (CSV) of any size by a schema, splits them into parts, and joins these again; opens archives. */
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Node, NodeAPI, NodeDef, NodeMessage, NodeMessageInFlow } from 'node-red';
import {
  ARCHIVE_LIMITS,
  checkCsv,
  ConfigurationError,
  openTarGz,
  parseCsvRows,
  PayloadError,
  readCsvRange,
  readCsvSchema,
  SerialQueue,
  splitCsv,
  UnreadableError,
  wholeOf,
  type ArchiveLimits,
  type CsvCheck,
  type CsvPart,
  type CsvSchema,
  type CsvSource,
} from '../lib/index';
import { FindingsFile, writeNewFile } from './csv/files';
import { CsvJoiner } from './csv/joiner';
import { csvProperty, csvSource, partsBy, type CsvParts, type CsvProperty } from './csv/message';
import { reachesNode } from './mailbox/reachable-outputs';
import { markedParts } from './shared/converter';
import { createNode } from './shared/create-node';
import { onInput } from './shared/on-input';
import { choiceSetting, numberSetting, textSetting } from './shared/settings';
import { setStatus, shortCount } from './shared/status';
import { evaluate } from './shared/typed-input';

interface MeshCsvDef extends NodeDef {
  version?: number;
  action?: string;
  schema?: string;
  schemaType?: string;
  unit?: string;
  size?: string | number;
  output?: string;
  header?: boolean;
  next?: string;
  faulty?: string;
  folder?: string;
  maxFindings?: string | number;
  maxFiles?: string | number;
  maxMegabytes?: string | number;
  maxRatio?: string | number;
  maxName?: string | number;
}

type Send = (msg: Array<NodeMessage | null>) => void;

const BYTES_IN_MB = 1_000_000;
/** A larger file of an archive has to be a file here, too (bytes). */
const MAX_BUFFER_BYTES = 64 * 1024 * 1024;

export = function (RED: NodeAPI): void {
  function MeshCsv(this: Node, config: MeshCsvDef): void {
    const def = createNode(RED, this, config);
    const joiner = new CsvJoiner(RED);
    // One file after the other: a part that comes back belongs to the only one that is being split.
    const files = new SerialQueue();
    let isClosed = false;
    /** The part that is with the flow, and what continues when it comes back. */
    let away: { id: string; index: number; back: (isBack: boolean) => void } | undefined;

    const schemaOf = async (msg: NodeMessage): Promise<CsvSchema> => {
      const input = { field: 'schema', value: def.schema, type: def.schemaType ?? 'json' };
      return readCsvSchema((await evaluate(RED, this, msg, input)) ?? {});
    };

    const folder = (): string | undefined => textSetting(RED, def.folder) || undefined;

    const requireFolder = (): string => {
      const path = folder();
      if (path === undefined) throw new ConfigurationError(RED._('mesh-csv.error.no-folder'));
      return path;
    };

    const showRows = (count: number): void =>
      setStatus(this, {
        fill: 'green',
        shape: 'dot',
        key: 'mesh-csv.status.good',
        values: { rows: shortCount(count) },
      });

    /** Checks the file of a message, and writes what is wrong into files if a folder is set. */
    const check = async (source: CsvSource, schema: CsvSchema): Promise<[CsvCheck, CsvProperty]> => {
      setStatus(this, { fill: 'blue', shape: 'dot', key: 'mesh-csv.status.checking' });
      const maxFindings = numberSetting(RED, 'maxFindings', def.maxFindings, { fallback: 100, min: 1, max: 100_000 });
      const into = folder();
      const stem = `csv-${RED.util.generateId()}`;
      const findings = into === undefined ? undefined : new FindingsFile(join(into, `${stem}-findings.csv`));
      let checked: CsvCheck;
      try {
        checked = await checkCsv(source, schema, { maxFindings, onFinding: (finding) => findings?.add(finding) });
      } finally {
        findings?.close();
      }
      const csv = csvProperty(checked);
      if (into !== undefined && checked.rejectedRows > 0) {
        csv.rejectedFile = join(into, `${stem}-rejected.csv`);
        for await (const rejected of splitCsv(source, checked, { take: 'rejected', repeatHeader: true })) {
          await writeNewFile(csv.rejectedFile, rejected.pieces());
        }
      }
      if (findings?.path !== undefined) csv.findingsFile = findings.path;
      return [checked, csv];
    };

    /** Sends what is wrong out of the second output; if nothing receives it there, it is an error. */
    const report = (msg: NodeMessageInFlow, send: Send, checked: CsvCheck, csv: CsvProperty): void => {
      const count = Object.values(checked.counts).reduce((sum, each) => sum + each, 0);
      setStatus(this, {
        fill: 'red',
        shape: 'dot',
        key: 'mesh-csv.status.faulty',
        values: { count: shortCount(count) },
      });
      const found = { ...RED.util.cloneMessage({ ...msg, payload: null }), payload: checked.findings, csv };
      if (reachesNode(RED, this, 1, found)) return send([null, found]);
      throw new UnreadableError(RED._('mesh-csv.error.findings', { count }), {
        advice: RED._('mesh-csv.advice.findings'),
      });
    };

    const checkOnly = async (msg: NodeMessageInFlow, send: Send): Promise<void> => {
      const [checked, csv] = await check(await csvSource(RED, msg), await schemaOf(msg));
      if (checked.isFileRefused || checked.rejectedRows > 0) return report(msg, send, checked, csv);
      showRows(csv.rows);
      send([Object.assign(msg, { csv }), null]);
    };

    const split = async (msg: NodeMessageInFlow, send: Send): Promise<void | 'unfinished'> => {
      const unit = choiceSetting(RED, 'unit', def.unit, ['rows', 'megabytes']);
      const limits = unit === 'rows' ? { fallback: 1000, min: 1, max: 1e9 } : { fallback: 100, min: 0.001, max: 1e6 };
      const size = numberSetting(RED, 'size', def.size, limits);
      const output = choiceSetting(RED, 'output', def.output, ['objects', 'bytes', 'file']);
      const setsAside = choiceSetting(RED, 'faulty', def.faulty, ['refuse', 'set-aside']) === 'set-aside';
      if (output === 'file') requireFolder();
      const schema = await schemaOf(msg);
      const source = await csvSource(RED, msg);
      const [checked, csv] = await check(source, schema);
      const isRefused = checked.isFileRefused || (checked.rejectedRows > 0 && !setsAside);
      if (isRefused || checked.rejectedRows > 0) report(msg, send, checked, csv);
      if (isRefused) return;

      const id = RED.util.generateId();
      const { headEnd, tailStart } = checked.layout;
      const head = await readCsvRange(source, 0, headEnd);
      const tail = await readCsvRange(source, tailStart, source.size);
      const options = {
        ...(unit === 'rows' ? { rows: size } : { bytes: Math.floor(size * BYTES_IN_MB) }),
        repeatHeader: output !== 'objects' && def.header !== false,
      };
      for await (const part of splitCsv(source, checked, options)) {
        const { index, count, rows, firstRow, headerBytes } = part;
        const { content, type, raw } = await payloadOf(part, id, schema, csv, output);
        const ends = { ...(index === 0 && { head }), ...(index + 1 === count && { tail }) };
        const about = { ...csv, rows, firstRow, headerBytes, ...ends, ...raw };
        const parts = { id, type, count, len: rows, index };
        if (!(await handOver(msg, send, { ...content, csv: about }, parts))) return 'unfinished';
      }
      showRows(csv.rows);
    };

    /** Sends a part; resolves with true when the next one is asked for, and with false when the node is closed. */
    const handOver = async (
      msg: NodeMessageInFlow,
      send: Send,
      content: object,
      own: CsvParts & { type: string; len: number },
    ): Promise<boolean> => {
      const isPaced = choiceSetting(RED, 'next', def.next, ['returned', 'at-once']) === 'returned';
      const outer = msg['parts'] === undefined ? {} : { parts: msg['parts'] };
      const parts = { ...outer, ...own, by: this.id, ...markedParts(msg['mesh']) };
      const part = { ...RED.util.cloneMessage({ ...msg, payload: null }), ...content, parts };
      const back = isPaced ? untilBack(own.id, own.index) : nextTurn(true);
      const values = { part: shortCount(own.index + 1), count: shortCount(own.count) };
      setStatus(this, { fill: 'blue', shape: isPaced ? 'ring' : 'dot', key: 'mesh-csv.status.part', values });
      send([part, null]);
      return (await back) && !isClosed;
    };

    const untilBack = (id: string, index: number): Promise<boolean> =>
      new Promise((resolve) => {
        away = { id, index, back: resolve };
      });

    /** Writes a part into a file of the folder, or returns its bytes. */
    const written = async (name: string, pieces: AsyncIterable<Buffer>, isFile: boolean): Promise<object> => {
      if (!isFile) return { payload: await wholeOf(pieces) };
      const path = join(requireFolder(), name);
      await writeNewFile(path, pieces);
      return { payload: path, filename: path };
    };

    const payloadOf = async (
      part: CsvPart,
      id: string,
      schema: CsvSchema,
      csv: CsvProperty,
      output: 'objects' | 'bytes' | 'file',
    ): Promise<{ content: object; type: 'array' | 'buffer' | 'string'; raw?: { raw: Buffer } }> => {
      if (output === 'objects') {
        const raw = await wholeOf(part.pieces(), part.size);
        return { content: { payload: await parseCsvRows(raw, schema, csv) }, type: 'array', raw: { raw } };
      }
      const isFile = output === 'file';
      const content = await written(`csv-${id}-${part.index + 1}.csv`, part.pieces(), isFile);
      return { content, type: isFile ? 'string' : 'buffer' };
    };

    const archiveLimits = (): ArchiveLimits => {
      const limit = (field: 'maxFiles' | 'maxMegabytes' | 'maxRatio' | 'maxName', fallback: number): number =>
        numberSetting(RED, field, def[field], { fallback, min: 1, max: 1e9 });
      return {
        files: limit('maxFiles', ARCHIVE_LIMITS.files),
        bytes: limit('maxMegabytes', ARCHIVE_LIMITS.bytes / BYTES_IN_MB) * BYTES_IN_MB,
        ratio: limit('maxRatio', ARCHIVE_LIMITS.ratio),
        nameLength: limit('maxName', ARCHIVE_LIMITS.nameLength),
      };
    };

    /** Sends each file of an archive. All of it is read before, so that nothing of an archive that is refused goes out. */
    const openArchive = async (msg: NodeMessageInFlow, send: Send): Promise<void | 'unfinished'> => {
      const isFile = choiceSetting(RED, 'output', def.output, ['bytes', 'objects', 'file']) === 'file';
      if (isFile) requireFolder();
      const limits = archiveLimits();
      const source = await csvSource(RED, msg);
      setStatus(this, { fill: 'blue', shape: 'dot', key: 'mesh-csv.status.checking' });
      let count = 0;
      for await (const { size } of openTarGz(source, limits)) {
        if (!isFile && size > MAX_BUFFER_BYTES) {
          throw new PayloadError(RED._('mesh-csv.error.large-file'), { advice: RED._('mesh-csv.advice.large-file') });
        }
        count += 1;
      }
      const id = RED.util.generateId();
      let index = 0;
      for await (const { name, size, pieces } of openTarGz(source, limits)) {
        const content = await written(`csv-${id}-${index + 1}`, pieces(), isFile);
        const parts = { id, type: isFile ? 'string' : 'buffer', count, len: 1, index };
        if (!(await handOver(msg, send, { ...content, archive: { name, size } }, parts))) return 'unfinished';
        index += 1;
      }
      const values = { count: shortCount(count) };
      setStatus(this, { fill: 'green', shape: 'dot', key: 'mesh-csv.status.opened', values });
    };

    const joinParts = async (msg: NodeMessageInFlow, send: Send): Promise<void> => {
      const isFile = choiceSetting(RED, 'output', def.output, ['bytes', 'objects', 'file']) === 'file';
      const into = isFile ? requireFolder() : undefined;
      const path = (id: string): string | undefined => (into === undefined ? undefined : join(into, `csv-${id}.csv`));
      const joined = await joiner.add(msg, await schemaOf(msg), path);
      if (!joined) return;
      const { content, rows, bytes } = joined;
      const { parts: own, ...rest } = msg as NodeMessageInFlow & { parts?: { parts?: unknown } };
      const outer = own?.parts === undefined ? {} : { parts: own.parts };
      const filename = typeof content === 'string' ? { filename: content } : {};
      showRows(rows);
      send([{ ...rest, ...outer, payload: content, ...filename, csv: { rows, bytes } }, null]);
    };

    const actions = { check: checkOnly, split, join: joinParts, open: openArchive };
    onInput(RED, this, async (msg, send) => {
      const action = choiceSetting(RED, 'action', def.action, ['check', 'split', 'join', 'open']);
      const back = action === 'split' || action === 'open' ? partsBy(this.id, msg) : undefined;
      if (back !== undefined) {
        // One that comes back twice, or from before a deploy, asks for nothing.
        if (away?.id === back.id && away.index === back.index) away.back(true);
        // A Complete node of this node is triggered by whole files only.
        return 'unfinished';
      }
      if ((msg as { reset?: unknown }).reset !== undefined) {
        away?.back(false);
        await joiner.close();
        return undefined;
      }
      return files.run(() => (isClosed ? Promise.resolve('unfinished' as const) : actions[action](msg, send)));
    });

    this.on('close', (_removed: boolean, done: () => void) => {
      isClosed = true;
      away?.back(false);
      void joiner.close().finally(done);
    });
  }

  RED.nodes.registerType('mesh-csv', MeshCsv);
};
