/**
 * Every example in one editor, imported by the menu one after another and deployed together, as somebody does who looks
 * around: each of their buttons, pressed in turn, leads to what it promises, and no variable is set.
 */
import assert from 'node:assert/strict';
import { examples } from '../harness/welcome';
import { Editor, MAJORS, needsChromium } from '../harness/browser';
import { exampleFlows } from '../harness/node-red';
import { untilInNodeRed } from '../harness/until';

/**
 * What a button leads to: a message at the debug node with this name, or the node with this name well (green). The
 * buttons of an example are pressed in this order.
 */
type Result = { debug: string } | { status: string };
const debug = (name: string): Result => ({ debug: name });
const status = (name: string): Result => ({ status: name });

const BUTTONS: Record<string, Record<string, Result>> = {
  'first-message': {
    'HL7 v2 ADT': debug('Done'),
    'FHIR bundle (XML)': debug('Done'),
    'PDF letter': debug('Done'),
    'Poll now': status('Inbox of X26ABC2'),
    'Track the last message': debug('Tracking'),
    'Who receives TEST_WORKFLOW at X26?': debug('Found'),
    'To a mailbox that does not exist': debug('Error'),
    'A letter that is never collected': debug('Accepted by MESH'),
    'Collect reports': status('Inbox of X26ABC1'),
  },
  'closed-loop': {
    'A known patient': debug('Business ack'),
    'An unknown patient': debug('Business ack'),
    'Collect acks': debug('Acknowledgement'),
  },
  'file-transfer': {
    'Send an example file': debug('Done'),
    'Send your own file': debug('Done'),
    'Poll now': status('Inbox of X26ABC17'),
    'Track the last message': debug('Tracking'),
  },
  alerts: {
    'Each minute': status('What needs a person'),
    'To a mailbox that does not exist': debug('Taken, or why not'),
  },
  'cda-letter': {
    'A letter': debug('Each document'),
    'With an attachment': debug('Each document'),
    'Poll now': status('Letters of X26ABC28'),
  },
  'delimited-file': {
    'A list': status('Two rows each'),
    'With faulty rows': debug('Findings'),
    'Poll now': status('Lists of X26ABC32'),
  },
  'fhir-validation': {
    'A letter': debug('Processed'),
    'A wrong code': debug('Not sent, and why'),
    'No FHIR at all': debug('Not sent, and why'),
    'With a fault': debug('Rejected'),
    'Collect acks': debug('Acknowledgement'),
  },
  'digital-letter': {
    'A letter': debug('Each letter'),
    'Not FHIR': debug('Findings'),
    'No PDF': debug('Needs a person'),
    'Poll now': status('Answers for X26ABC36'),
  },
  'hl7-to-itk3-letter': {
    'One discharge, again': debug('Accepted'),
    'A discharge': debug('Accepted'),
    'A letter as PDF': debug('Accepted'),
    'An unknown patient': debug('Accepted'),
    'Collect acks': status('Acks for X26ABC6'),
  },
  'landing-portal': {
    'A submission': debug('Each file'),
    'A formula': debug('Findings'),
    'Not checked': debug('Needs a person'),
    'Poll now': status('Answers for X26ABC37'),
  },
  'large-extract': {
    'At 02:00, at start, now': debug('Your alert here'),
    'Write today’s extract, and send it': debug('Accepted by MESH'),
    'Poll now': debug('Received'),
  },
  'local-codes': { 'Two results': debug('Coded results'), 'With an unknown code': debug('Without a LOINC') },
  'mesh-client-folders': {
    'Write a pair into out': status('out'),
    'Check now': debug('Sent'),
    'Have X26ABC21 send': status('To X26ABC20'),
    'Poll now': status('Inbox'),
  },
  'mesh-to-fhir-server': {
    'As XML': debug('Queued'),
    'As JSON': debug('Queued'),
    'Collect acks': status('Acks for X26ABC10'),
    'Is unavailable': debug('It answers now'),
    'Rejects everything': debug('It answers now'),
    'Accepts everything': debug('It answers now'),
  },
  'mllp-to-mesh': { 'An admission': debug('Received'), 'The same message twice': debug('Accepted') },
  'mns-events': {
    'A change of GP': debug('Change of GP'),
    'A death': debug('Death'),
    'The same again': debug('Known'),
    'Another type': debug('For a person'),
    'Poll now': status('Events for X26ABC39'),
  },
  'nems-events': {
    'A birth, for child health': debug('Queued'),
    'A change of GP, for both': debug('Queued'),
    'A death, for no route': debug('Queued'),
  },
  'nhs-notify': {
    'A list': debug('Each message'),
    'A wrong number': debug('Findings'),
    'Not checked': debug('Needs a person'),
    'Poll now': status('Answers for X26ABC35'),
  },
  'opt-out-check': {
    'A list': debug('May be used'),
    'A wrong number': debug('Findings'),
    'Not checked': debug('Needs a person'),
    'Poll now': status('Answers for X26ABC33'),
  },
  pathology: {
    'One report, again': debug('Accepted'),
    'A report': debug('Accepted'),
    'Each working day': debug('Chase these'),
  },
  'pds-trace': {
    'Two people': debug('Each row'),
    'A wrong date': debug('Findings'),
    'Not checked': debug('Needs a person'),
    'Poll now': status('Answers for X26ABC38'),
  },
  'several-mailboxes': {
    'A letter': debug('Accepted by MESH'),
    'A result': debug('Accepted by MESH'),
    'Poll now': debug('Done'),
  },
  'vaccination-batch': {
    'A batch': debug('All taken'),
    'A faulty row': debug('Findings'),
    'Not checked': debug('Failed rows'),
    'Poll now': status('Answers for X26ABC34'),
  },
  watchdog: { 'Current health?': debug('Current health'), 'Poll now': status('Inbox of X26ABC24') },
};

/** On a loaded machine. */
const LIMIT_MS = 40_000;

/**
 * What the buttons lead to in the end: how many messages come to the debug node with this name. That takes a poll of each
 * side, and a poll that finds nothing yet is followed by the next one a minute later.
 */
const ENDS: Record<string, Record<string, number>> = {
  'hl7-to-itk3-letter': { Acknowledged: 3, 'Refused: not known': 1, Acknowledgement: 4 },
  'mesh-to-fhir-server': { Acknowledged: 2, Acknowledgement: 2 },
  // The first button has taken one.
  'local-codes': { 'Coded results': 1 },
  // The first button has taken one; the same message twice is received once.
  'mllp-to-mesh': { Received: 1 },
  'nems-events': { Done: 3 },
  pathology: { Arrived: 2, Acknowledged: 2, NHSACK: 2 },
};
const END_LIMIT_MS = 200_000;

/** The part of the editor's global `RED` that finds what was imported: an import gives every node a new id. */
interface Red {
  nodes: {
    eachWorkspace(call: (tab: { id: string; label: string }) => void): void;
    filterNodes(filter: object): Array<{ id: string; type: string; name: string }>;
  };
  workspaces: { show(id: string): void };
}

const NAMES = examples().flatMap(({ name }) => (name.startsWith('subflow-') ? [] : [name]));

describe('the examples', () => {
  it('each have a result for every button', () => {
    for (const name of NAMES) {
      const buttons = exampleFlows(name).filter(({ type }) => type === 'inject');
      assert.deepEqual(
        Object.keys(BUTTONS[name] ?? {}).toSorted(),
        buttons.map((node) => String(node['name'])).toSorted(),
      );
    }
  });
});

for (const major of MAJORS) {
  // The editor's import is the same in 4.1, and the nodes' work is tested in both by the journeys.
  if (major !== '5') continue;
  describe(`all examples beside each other in Node-RED ${major}`, function () {
    needsChromium(this);
    this.timeout(300_000);
    let editor: Editor;
    before(async () => {
      editor = await Editor.open({ major, flows: [] });
      for (const name of NAMES) await editor.importExample(name);
      await editor.deploy();
      // The editor is done before the flows have started, and a button is pressed in vain until then.
      await untilInNodeRed('the flows', () => (editor.nodeRed.log().match(/Started flows/g) ?? []).length >= 2);
    });
    after(() => editor?.close());

    /** Shows an example's tab, and returns its nodes. */
    const nodesOf = (title: string): Promise<Array<{ id: string; type: string; name: string }>> =>
      editor.page.evaluate((label) => {
        const { RED } = globalThis as unknown as { RED: Red };
        const tabs: string[] = [];
        // A callback that returns false ends the walk.
        RED.nodes.eachWorkspace((tab) => {
          if (tab.label === label) tabs.push(tab.id);
        });
        const [z = ''] = tabs;
        RED.workspaces.show(z);
        return RED.nodes.filterNodes({ z }).map((node) => ({ id: node.id, type: node.type, name: node.name }));
      }, title);

    /** Takes a message that one of these debug nodes has shown; false if none has. */
    const hasShown = async (ids: readonly string[]): Promise<boolean> => {
      for (const id of ids) if ((await editor.nodeRed.debug(id, 0).catch(() => undefined)) !== undefined) return true;
      return false;
    };

    const waitFor = (what: string, look: () => boolean | Promise<boolean>, limitMs: number): Promise<unknown> =>
      untilInNodeRed(what, look, limitMs).catch((error: unknown) => {
        throw new Error(`${what} did not come. Node-RED’s log ends:\n${editor.nodeRed.log().slice(-2000)}`, {
          cause: error,
        });
      });

    for (const { name, title } of examples()) {
      for (const [button, result] of Object.entries(BUTTONS[name] ?? {})) {
        it(`${name}: “${button}” leads to “${'debug' in result ? result.debug : result.status}”`, async () => {
          const { page, nodeRed } = editor;
          const nodes = await nodesOf(title);
          const isButton = ({ type }: { type: string }): boolean => type === 'inject';
          const press = nodes.find((node) => isButton(node) && node.name === button)?.id;
          const wanted = 'debug' in result ? result.debug : result.status;
          const shown = nodes.filter((node) => !isButton(node) && node.name === wanted).map(({ id }) => id);
          assert.ok(press !== undefined && shown.length > 0, 'the node is not on the tab');
          await page.locator(`[id="${press}"] .red-ui-flow-node-button-button`).dispatchEvent('click');
          // A status with the text that it had is not sent again.
          const isGreen = (): boolean => shown.some((id) => nodeRed.statuses().get(id)?.fill === 'green');
          const look = (): boolean | Promise<boolean> => ('debug' in result ? hasShown(shown) : isGreen());
          await waitFor(`“${wanted}”`, look, LIMIT_MS);
        });
      }
    }

    for (const { name, title } of examples()) {
      for (const [end, times] of Object.entries(ENDS[name] ?? {})) {
        it(`${name}: its buttons lead to “${end}” in the end, ${times} times`, async () => {
          const shown = (await nodesOf(title)).filter((node) => node.name === end).map(({ id }) => id);
          for (let time = 1; time <= times; time += 1)
            await waitFor(`number ${time} at “${end}”`, () => hasShown(shown), END_LIMIT_MS);
        });
      }
    }

    it('show no error of this package on the console', () => editor.noErrors());
  });
}
