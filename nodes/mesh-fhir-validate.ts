/** mesh-fhir-validate: checks a FHIR resource or bundle against the FHIR definitions and the user's profiles. */
import type { Node, NodeAPI, NodeDef } from 'node-red';
import {
  FHIR_RELEASES,
  InvalidMessageError,
  runInWorker,
  type FhirRelease,
  type ValidationIssue,
  type ValidationOutcome,
  type ValidationRequest,
} from '../lib/index';
import { createNode } from './shared/create-node';
import { onInput } from './shared/on-input';
import { choiceSetting, definitionsSetting, listSetting } from './shared/settings';
import { setStatus, shortCount, type Status } from './shared/status';
import { sharedText } from './shared/texts';

interface MeshFhirValidateDef extends NodeDef {
  version?: number;
  property?: string;
  release?: FhirRelease | 'auto';
  /** Id of the mesh-fhir-profiles; empty for HL7's own definitions alone. */
  definitions?: string;
  /** Canonical URLs that the resource must conform to, one on each line. */
  profiles?: string;
  /** What makes a message not valid. */
  level?: 'error' | 'warning';
}

export = function (RED: NodeAPI): void {
  function MeshFhirValidate(this: Node, config: MeshFhirValidateDef): void {
    const def = createNode(RED, this, config);
    const reported = new Set<string>();

    onInput(RED, this, async (msg, send) => {
      const path = def.property === undefined || def.property === '' ? 'payload' : def.property;
      const payload: unknown = RED.util.getMessageProperty(msg, path);
      if (!canBeValidated(payload)) throw new InvalidMessageError(sharedText(RED, 'error.not-convertible'));
      const level = choiceSetting(RED, 'level', def.level, ['error', 'warning']);
      const outcome = await runInWorker('validate', {
        payload,
        release: choiceSetting(RED, 'release', def.release, ['auto', ...FHIR_RELEASES]),
        profiles: listSetting(RED, def.profiles),
        ...definitionsSetting(RED, def.definitions),
      });
      warnOfProblems(RED, this, outcome, reported);
      const { release, issues } = outcome;
      const valid = !issues.some(({ severity }) => severity === 'error' || severity === level);
      Object.assign(msg, { validation: { valid, release, issues } });
      setStatus(this, statusOf(valid, issues));
      send(valid ? [msg, null] : [null, msg]);
    });
  }

  RED.nodes.registerType('mesh-fhir-validate', MeshFhirValidate);
};

const canBeValidated = (payload: unknown): payload is ValidationRequest['payload'] =>
  typeof payload === 'string' || (typeof payload === 'object' && payload !== null && !Array.isArray(payload));

/** Warns of each definition that cannot be used, once for each deploy. */
function warnOfProblems(RED: NodeAPI, node: Node, { problems }: ValidationOutcome, reported: Set<string>): void {
  for (const { file, text } of problems) {
    if (reported.has(file)) continue;
    reported.add(file);
    node.warn(RED._('mesh-fhir-validate.warning.definition', { file, text }));
  }
}

function statusOf(valid: boolean, issues: readonly ValidationIssue[]): Status {
  const count = (severity: string): number => issues.filter((issue) => issue.severity === severity).length;
  const [errors, warnings] = [count('error'), count('warning')];
  const key = (name: string): string => `mesh-fhir-validate.status.${name}`;
  if (valid && warnings === 0) return { fill: 'green', shape: 'dot', key: key('valid') };
  if (valid) return { fill: 'green', shape: 'dot', key: key('warnings'), values: { count: shortCount(warnings) } };
  if (errors === 0) {
    return { fill: 'yellow', shape: 'dot', key: key('not-valid-warnings'), values: { count: shortCount(warnings) } };
  }
  if (errors === 1) return { fill: 'yellow', shape: 'dot', key: key('not-valid-one') };
  return { fill: 'yellow', shape: 'dot', key: key('not-valid'), values: { count: shortCount(errors) } };
}
