/**
 * mesh-codes: a table of codes, typed here or read from a file (CSV, ConceptMap), for all nodes that look up codes.
 *
 * - `GET mesh/codes/:id?search=TEXT`, permission `mesh.write`: what a deployed table has, what is wrong with it, and the
 *   codes that were looked up in vain.
 * - `POST mesh/codes/:id/forget` with `{codes: [{system, code}]}`, permission `mesh.write`: takes codes out of that list;
 *   without `codes` all.
 * - `POST mesh/codes/read` with `{text, delimiter}`, permission `mesh.write`: the rows of a CSV, for the dialog's import.
 *   It takes the content, never a path: that would show the server's files.
 */
import { join } from 'node:path';
import type { NodeAPI, NodeDef } from 'node-red';
import {
  ConfigurationError,
  InvalidMessageError,
  NotFoundError,
  payloadSource,
  readCodeRows,
  readTypedRows,
  type CodeCsvOptions,
  type ReadCodes,
} from '../lib/index';
import { adminEndpoint } from './admin/endpoints';
import type { CodesNode, CountingCodeTable } from './codes/codes-node';
import { ServedTable, type TablePlace, type TableState } from './codes/served-table';
import { UnknownList } from './codes/unknown-list';
import { createNode } from './shared/create-node';
import { cleanError } from './shared/report-error';
import { choiceSetting, textSetting } from './shared/settings';

interface MeshCodesDef extends NodeDef {
  version?: number;
  tableVersion?: string;
  from?: 'rows' | 'file';
  /** JSON: the rows that were typed. */
  rows?: string;
  file?: string;
  delimiter?: string;
  encoding?: string;
  header?: boolean;
  sourceColumn?: string;
  sourceSystemColumn?: string;
  targetColumn?: string;
  targetSystemColumn?: string;
  displayColumn?: string;
  equivalenceColumn?: string;
  priorityColumn?: string;
  sourceSystem?: string;
  targetSystem?: string;
  several?: 'refuse' | 'priority';
  ignoreCase?: boolean;
}

/** The node, with what its endpoints need. */
interface MeshCodesNode extends CodesNode {
  served?: ServedTable;
  unknown: UnknownList;
}

/** How many rows of a table the dialog shows. */
const SHOWN_ROWS = 50;
/** How many rows the dialog keeps in the flow file. */
const MAX_TYPED_ROWS = 5000;

export = function (RED: NodeAPI): void {
  function MeshCodes(this: MeshCodesNode, config: MeshCodesDef): void {
    const def = createNode(RED, this, config);
    const listeners = new Set<(state: TableState) => void>();
    let reported = '';
    this.unknown = new UnknownList(unknownPath(RED, this.id), (error) => {
      this.warn(RED._('mesh-codes.warning.list', { text: cleanError(RED, error).message }));
    });

    const changed = (state: TableState): void => {
      const problem = problemText(RED, state);
      if (problem !== undefined && problem !== reported) this.error(problem);
      if (problem === undefined && reported !== '') this.log(RED._('mesh-codes.log.good-again', { rows: state.rows }));
      reported = problem ?? '';
      const { table } = state;
      if (table !== undefined && problem === undefined) {
        this.unknown.change((codes) =>
          codes.forget(({ system, code }) => {
            const found = table.find(system, code);
            return found.outcome !== 'unknown' && !('isDefault' in found);
          }),
        );
      }
      for (const listener of listeners) listener(state);
    };
    // A wrong setting is reported by each look-up, and once here.
    let wrong: unknown;
    try {
      const [place, options] = settingsOf(RED, def);
      this.served = new ServedTable(place, options, changed);
    } catch (error) {
      wrong = error;
      this.error(cleanError(RED, error).message);
    }

    this.table = async (): Promise<CountingCodeTable> => {
      if (this.served === undefined) throw wrong;
      await this.served.ready();
      const { state } = this.served;
      if (state.table === undefined) throw new ConfigurationError(problemText(RED, state) ?? '');
      return countingTable(this.unknown, state, state.table);
    };
    this.onTable = (listener) => {
      listeners.add(listener);
      if (this.served !== undefined) listener(this.served.state);
      return () => listeners.delete(listener);
    };
    this.on('close', (_removed: boolean, done: () => void) => {
      void Promise.all([this.served?.close(), this.unknown.close()]).finally(done);
    });
  }

  RED.nodes.registerType('mesh-codes', MeshCodes);
  const codesOf = (id: string | undefined): MeshCodesNode => {
    const node = RED.nodes.getNode(id ?? '') as MeshCodesNode | null;
    if (node?.type === 'mesh-codes') return node;
    throw new NotFoundError(RED._('mesh-codes.error.not-deployed'));
  };
  const permission = 'mesh.write';
  adminEndpoint(RED, { method: 'get', path: '/mesh/codes/:id', permission }, ({ params, query }) =>
    describe(RED, codesOf(params['id']), query['search'] ?? ''),
  );
  adminEndpoint(RED, { method: 'post', path: '/mesh/codes/:id/forget', permission }, async ({ params, body }) => {
    const { codes } = body as { codes?: unknown };
    const node = codesOf(params['id']);
    const keys = new Set(Array.isArray(codes) ? codes.map((each) => keyOf(each)) : []);
    node.unknown.change((list) => (Array.isArray(codes) ? list.forget((each) => keys.has(keyOf(each))) : list.clear()));
    return unknownOf(node);
  });
  adminEndpoint(RED, { method: 'post', path: '/mesh/codes/read', permission }, async ({ body }) => {
    const { text, delimiter } = body as { text?: unknown; delimiter?: unknown };
    if (typeof text !== 'string') throw new InvalidMessageError(RED._('mesh-codes.error.no-text'));
    const separator = typeof delimiter === 'string' && delimiter !== '' ? { delimiter } : {};
    return readCodeRows(await payloadSource(text), { ...separator, maxRows: MAX_TYPED_ROWS });
  });
};

/** @throws ConfigurationError for settings that are missing or wrong */
function settingsOf(RED: NodeAPI, def: MeshCodesDef): [TablePlace, CodeCsvOptions] {
  const field = (name: keyof MeshCodesDef): string => textSetting(RED, def[name]);
  const place = choiceSetting(RED, 'from', def.from, ['rows', 'file']);
  const version = field('tableVersion');
  const options: CodeCsvOptions = {
    name: def.name === '' ? def.id : def.name,
    ...(version !== '' && { version }),
    // A tab is a blank, and would be trimmed away.
    delimiter: delimiterOf(RED, def.delimiter),
    encoding: choiceSetting<'auto' | 'utf-8' | 'windows-1252' | 'ascii'>(RED, 'encoding', def.encoding, [
      'auto',
      'utf-8',
      'windows-1252',
      'ascii',
    ]),
    hasHeader: def.header !== false,
    columns: {
      source: field('sourceColumn'),
      sourceSystem: field('sourceSystemColumn'),
      target: field('targetColumn'),
      targetSystem: field('targetSystemColumn'),
      display: field('displayColumn'),
      equivalence: field('equivalenceColumn'),
      priority: field('priorityColumn'),
    },
    sourceSystem: field('sourceSystem'),
    targetSystem: field('targetSystem'),
    several: choiceSetting(RED, 'several', def.several, ['refuse', 'priority']),
    ignoreCase: def.ignoreCase === true,
  };
  if (place === 'rows') return [{ rows: readTypedRows(field('rows')) }, options];
  const file = field('file');
  if (file === '') throw new ConfigurationError(RED._('mesh-codes.error.no-file'));
  return [{ file }, options];
}

const DELIMITERS: Readonly<Record<string, string>> = { comma: ',', semicolon: ';', tab: '\t', pipe: '|' };

function delimiterOf(RED: NodeAPI, value: unknown): string {
  const name = choiceSetting(RED, 'delimiter', value, ['comma', 'semicolon', 'tab', 'pipe']);
  return DELIMITERS[name] ?? ',';
}

/** Returns the table, counting what it does not have. */
function countingTable(
  unknown: UnknownList,
  { rows, problem }: TableState,
  table: NonNullable<ReadCodes['table']>,
): CountingCodeTable {
  const find: CountingCodeTable['find'] = (system, code) => {
    const found = table.find(system, code);
    if (found.outcome === 'unknown' || ('isDefault' in found && found.isDefault)) unknown.add(system, code);
    return found;
  };
  const look: CountingCodeTable['look'] = (system, code) => {
    const found = find(system, code);
    return found.outcome === 'found' ? found.target : undefined;
  };
  return { name: table.name, version: table.version, rows, isOutdated: problem !== undefined, find, look };
}

/** Returns what is wrong, and that an earlier table serves on if there is one; undefined where nothing is wrong. */
function problemText(RED: NodeAPI, { problem, latest, table, rows }: TableState): string | undefined {
  if (problem === undefined) return undefined;
  const [first] = latest?.errors ?? [];
  const place = [
    first?.line === undefined ? '' : RED._('mesh-codes.problem.line', { line: first.line }),
    first?.column === undefined ? '' : RED._('mesh-codes.problem.column', { column: first.column }),
  ];
  const reasons: Record<typeof problem.kind, () => string> = {
    faulty: () =>
      RED._('mesh-codes.problem.faulty', {
        count: latest?.errorCount ?? 0,
        place: place.filter(Boolean).join(', '),
        text: first?.text ?? '',
      }),
    unreadable: () =>
      RED._('mesh-codes.problem.unreadable', { code: problem.systemCode ?? problem.cause?.message ?? 'not a file' }),
    shrunk: () => RED._('mesh-codes.problem.shrunk', { rows: problem.rows ?? 0, before: rows }),
    cut: () => RED._('mesh-codes.problem.cut'),
  };
  const serves = table === undefined ? 'mesh-codes.problem.none' : 'mesh-codes.problem.earlier';
  return `${reasons[problem.kind]()} ${RED._(serves)}`;
}

/** What the dialog shows of a deployed table. */
async function describe(RED: NodeAPI, node: MeshCodesNode, search: string): Promise<object> {
  await node.served?.ready();
  const state = node.served?.state;
  const { table, rows = 0, readAt, latest } = state ?? {};
  return {
    ...(table && { name: table.name, version: table.version, readAt, ...table.search(search, SHOWN_ROWS) }),
    rows,
    problem: state === undefined ? RED._('mesh-codes.error.settings') : problemText(RED, state),
    errors: latest?.errors ?? [],
    errorCount: latest?.errorCount ?? 0,
    warnings: latest?.warnings ?? [],
    warningCount: latest?.warningCount ?? 0,
    ...(await unknownOf(node)),
  };
}

async function unknownOf(node: MeshCodesNode): Promise<{ unknown: object[]; notListed: number }> {
  const codes = await node.unknown.codes();
  return { unknown: codes.list(), notListed: codes.notListed };
}

function keyOf(code: unknown): string {
  const { system = '', code: own = '' } = (code ?? {}) as { system?: unknown; code?: unknown };
  return JSON.stringify([system, own]);
}

/** Returns the file of a node's unknown codes, beside the storage; undefined for a Node-RED without a user folder. */
function unknownPath(RED: NodeAPI, id: string): string | undefined {
  const { userDir } = RED.settings as { userDir?: unknown };
  if (typeof userDir !== 'string' || userDir === '') return undefined;
  return join(userDir, 'mesh', 'codes', `${id.replaceAll(/[^\w-]/g, '_')}.json`);
}
