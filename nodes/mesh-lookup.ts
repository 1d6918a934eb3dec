/** mesh-lookup: finds the mailbox of an organisation for a workflow, or every mailbox that receives a workflow. */
import type { Node, NodeAPI, NodeDef } from 'node-red';
import { InvalidMessageError, NotFoundError, type MailboxAddress } from '../lib/index';
import { useMailbox } from './mailbox/mailbox-user';
import { createNode } from './shared/create-node';
import { onInput } from './shared/on-input';
import { setProperty } from './shared/set-property';
import { evaluateText } from './shared/typed-input';

interface MeshLookupDef extends NodeDef {
  version?: number;
  mailbox?: string;
  odsCode?: string;
  odsCodeType?: string;
  workflowId?: string;
  workflowIdType?: string;
  result?: 'all' | 'first';
  property?: string;
}

export = function (RED: NodeAPI): void {
  function MeshLookup(this: Node, config: MeshLookupDef): void {
    const def = createNode(RED, this, config);
    const mailbox = useMailbox(RED, this, def.mailbox);

    onInput(RED, this, async (msg, send) => {
      const field = (name: 'odsCode' | 'workflowId'): Promise<string> =>
        evaluateText(RED, this, msg, { field: name, value: def[name], type: def[`${name}Type`] });
      const found = await mailbox.run(async (opened, signal): Promise<MailboxAddress[]> => {
        const [odsCode, workflowId] = [await field('odsCode'), await field('workflowId')];
        if (workflowId === '') throw new InvalidMessageError(RED._('mesh-lookup.error.no-workflow'));
        mailbox.show({ fill: 'blue', shape: 'dot', key: 'mesh-lookup.status.asking' });
        if (odsCode === '') return opened.mailbox.searchWorkflow(workflowId, { signal });
        return opened.mailbox.lookup(odsCode.toUpperCase(), workflowId, { signal });
      });
      setProperty(RED, msg, def.property, def.result === 'first' ? firstOf(RED, found) : found);
      mailbox.show({
        fill: found.length > 0 ? 'green' : 'yellow',
        shape: 'dot',
        key: 'mesh-lookup.status.found',
        values: { found: found.length },
      });
      send(msg);
    });
  }

  RED.nodes.registerType('mesh-lookup', MeshLookup);
};

/** @throws NotFoundError when there is none: a flow that wants one mailbox will send to it */
function firstOf(RED: NodeAPI, found: MailboxAddress[]): MailboxAddress {
  const [first] = found;
  if (first !== undefined) return first;
  throw new NotFoundError(RED._('mesh-lookup.error.none'), { advice: RED._('mesh-lookup.advice.none') });
}
