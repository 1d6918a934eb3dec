/** mesh-code-lookup: looks up a code in a table of mesh-codes. Outputs: found, not found. */
import type { Node, NodeAPI, NodeDef, NodeMessage } from 'node-red';
import { InvalidMessageError, NotFoundError, type CodeLookup, type CodeTarget } from '../lib/index';
import { codesSetting, type CountingCodeTable } from './codes/codes-node';
import type { TableState } from './codes/served-table';
import { reachesNode } from './mailbox/reachable-outputs';
import { createNode } from './shared/create-node';
import { onInput } from './shared/on-input';
import { setProperty } from './shared/set-property';
import { choiceSetting } from './shared/settings';
import { setStatus, shortCount } from './shared/status';
import { evaluate, evaluateText } from './shared/typed-input';

interface MeshCodeLookupDef extends NodeDef {
  version?: number;
  /** Id of the mesh-codes. */
  table?: string;
  code?: string;
  codeType?: string;
  system?: string;
  systemType?: string;
  accept?: 'any' | 'equivalent';
  result?: 'coding' | 'code';
  property?: string;
}

/** `msg.codeLookup`. Plain JSON. */
interface CodeLookupProperty {
  /** `not-equivalent`: there is a target, but its relation to the code is not accepted. */
  outcome: CodeLookup['outcome'] | 'not-equivalent';
  source: { system?: string; code: string };
  target?: CodeTarget;
  /** Targets of a lower priority. */
  alternatives?: readonly CodeTarget[];
  /** Whether the target is the ConceptMap's for every code that it does not have. */
  isDefault?: true;
  table: { name: string; version: string; isOutdated: boolean };
}

/** Relations whose target may stand for the code. */
const SAME = new Set([undefined, 'equal', 'equivalent']);

export = function (RED: NodeAPI): void {
  function MeshCodeLookup(this: Node, config: MeshCodeLookupDef): void {
    const def = createNode(RED, this, config);

    const showTable = ({ table, rows, problem }: TableState): void => {
      if (table === undefined && problem === undefined) return;
      const values = { rows: shortCount(rows) };
      if (table === undefined) setStatus(this, { fill: 'red', shape: 'ring', key: 'mesh-code-lookup.status.no-table' });
      else if (problem === undefined) {
        setStatus(this, { fill: 'green', shape: 'ring', key: 'mesh-code-lookup.status.rows', values });
      } else setStatus(this, { fill: 'yellow', shape: 'ring', key: 'mesh-code-lookup.status.outdated' });
    };
    let stop = (): void => undefined;
    // Config nodes are created first.
    try {
      stop = codesSetting(RED, def.table).onTable(showTable);
    } catch {
      setStatus(this, { fill: 'red', shape: 'ring', key: 'mesh-code-lookup.status.no-table' });
    }
    this.on('close', () => stop());

    onInput(RED, this, async (msg, send) => {
      const table = await codesSetting(RED, def.table).table();
      const source = await sourceOf(msg);
      const looked = lookUp(table, source, choiceSetting(RED, 'accept', def.accept, ['any', 'equivalent']));
      if (looked.outcome === 'found' && looked.target !== undefined) {
        const { system, code, display } = looked.target;
        const coding = { ...(system !== undefined && { system }), code, ...(display !== undefined && { display }) };
        const isCoding = choiceSetting(RED, 'result', def.result, ['coding', 'code']) === 'coding';
        setProperty(RED, msg, def.property, isCoding ? coding : code);
        Object.assign(msg, { codeLookup: looked });
        show('green', 'found', table);
        return send([msg, null]);
      }
      Object.assign(msg, { codeLookup: looked });
      show('yellow', looked.outcome, table);
      if (reachesNode(RED, this, 1, msg)) return send([null, msg]);
      throw new NotFoundError(RED._(`mesh-code-lookup.error.${looked.outcome}`, { table: table.name }), {
        advice: RED._('mesh-code-lookup.advice.not-found'),
      });
    });

    const show = (fill: 'green' | 'yellow', outcome: string, { isOutdated }: CountingCodeTable): void => {
      const isWarning = fill === 'green' && isOutdated;
      const key = isWarning ? 'outdated' : outcome;
      setStatus(this, { fill: isWarning ? 'yellow' : fill, shape: 'dot', key: `mesh-code-lookup.status.${key}` });
    };

    /** Returns the code of a message: a text, a number without loss, or a FHIR Coding with its own system. */
    const sourceOf = async (msg: NodeMessage): Promise<{ system?: string; code: string }> => {
      const from = { field: 'code', value: def.code ?? 'payload', type: def.codeType ?? 'msg' };
      const value = await evaluate(RED, this, msg, from);
      const { code, system: own } = isCoding(value) ? value : { code: value, system: undefined };
      const input = { field: 'system', value: def.system, type: def.systemType ?? 'str' };
      const system = typeof own === 'string' && own.trim() !== '' ? own : await evaluateText(RED, this, msg, input);
      return { ...(system !== '' && { system: system.trim() }), code: codeText(code) };
    };

    const codeText = (code: unknown): string => {
      // SNOMED CT has codes of up to 18 digits, of which a number keeps 15.
      const isExact = typeof code === 'number' && Number.isSafeInteger(code);
      const text = isExact ? String(code) : typeof code === 'string' ? code.trim() : '';
      if (text !== '') return text;
      const key = typeof code === 'number' ? 'number' : 'no-code';
      throw new InvalidMessageError(RED._(`mesh-code-lookup.error.${key}`), {
        advice: RED._(`mesh-code-lookup.advice.${key}`),
      });
    };
  }

  RED.nodes.registerType('mesh-code-lookup', MeshCodeLookup);
};

const isCoding = (value: unknown): value is { code: unknown; system?: unknown } =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.hasOwn(value, 'code');

function lookUp(
  table: CountingCodeTable,
  source: CodeLookupProperty['source'],
  accept: 'any' | 'equivalent',
): CodeLookupProperty {
  const found = table.find(source.system, source.code);
  const { name, version, isOutdated } = table;
  const about = { source, table: { name, version, isOutdated } };
  if (found.outcome !== 'found') return { outcome: found.outcome, ...about };
  const { target, alternatives, isDefault } = found;
  const isAccepted = accept === 'any' || SAME.has(target.equivalence);
  return {
    outcome: isAccepted ? 'found' : 'not-equivalent',
    ...about,
    target,
    ...(alternatives.length > 0 && { alternatives }),
    ...(isDefault && { isDefault }),
  };
}
