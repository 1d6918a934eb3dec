/**
 * `nhs-mesh test` as it is installed, in a real Node-RED: flows with one mistake each fail with a difference that names
 * it.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { emptyFolder } from '../harness/cleanup';
import { exampleFlows, ROOT, type FlowNode } from '../harness/node-red';

const ADT = join(ROOT, 'test', 'flow-tests', 'examples', 'messages', 'adt-a01.hl7');

/* oxlint-disable unicorn/no-thenable -- a list is no promise, and the word of a test is "then" */

/** What the right flow passes: an ADT comes over MLLP, goes to MESH, arrives, and is done. */
const TESTS = [
  {
    name: 'An admission is sent, accepted and done',
    given: [{ mllp: { to: 'From the PAS', file: 'adt-a01.hl7' } }],
    then: [
      { mllpAnswer: { code: 'AA' } },
      {
        sent: {
          from: 'X26ABC4',
          to: 'X26ABC5',
          workflow: 'TEST_WORKFLOW',
          fileName: { matches: String.raw`\.hl7$` },
          contentType: 'x-application/hl7-v2+er7',
          snapshot: 'adt-a01.hl7',
        },
      },
      { out: { node: 'Inbox of X26ABC5', msg: { 'mesh.from': 'X26ABC4' } } },
      { in: { node: 'Received' } },
      { status: { node: 'Inbox of X26ABC5', fill: 'green' } },
      'nothing else',
    ],
  },
  {
    name: 'What came from MESH is acknowledged',
    given: [{ mesh: { to: 'X26ABC5', from: 'X26ABC4', workflow: 'TEST_WORKFLOW', text: 'a letter' } }],
    then: [{ acknowledged: { waitAtMost: '1 minute' } }, { in: { node: 'Received' } }, 'nothing else'],
  },
];

type Change = (nodes: FlowNode[], node: (id: string) => FlowNode) => FlowNode[] | void;
const wire = (node: FlowNode, output: number, ...to: string[]): void => {
  (node['wires'] as string[][])[output] = to;
};

/** A mistake in the flow, and what the report says of it. */
const MISTAKES: Record<string, { change: Change; says: RegExp }> = {
  'the wrong recipient': {
    change: (_, node) => void (node('mm-send')['to'] = 'X26ABC4'),
    says: /to: expected “X26ABC5”, was “X26ABC4”/,
  },
  'the wrong workflow': {
    change: (_, node) => void (node('mm-send')['workflowId'] = 'TEST_WORKFLOW2'),
    says: /workflow: expected “TEST_WORKFLOW”, was “TEST_WORKFLOW2”/,
  },
  'a wire to nowhere': {
    change: (_, node) => wire(node('mm-set'), 0, 'mm-not-there'),
    says: /No message was sent to MESH/,
  },
  'no mesh-ack': {
    change: (_, node) => wire(node('mm-poll'), 0, 'mm-received'),
    says: /No mesh-ack was reached: the message from MESH would come again/,
  },
  'the wrong answer to the sender': {
    change: (_, node) => void Object.assign(node('mm-ok'), { answer: 'AE' }),
    says: /MLLP answer was AE, not AA/,
  },
  'the answer before the message is queued': {
    change: (_, node) => {
      wire(node('mm-in'), 0, 'mm-ok');
    },
    says: /No message was sent to MESH/,
  },
  'a field changed on the way': {
    change: (nodes, node) => {
      wire(node('mm-set'), 0, 'changed');
      return [
        ...nodes,
        functionNode(node('mm-set'), "msg.payload = msg.payload.toString().replace('TESTPATIENT', 'OTHER')"),
      ];
    },
    says: /PID-5\.1: expected “TESTPATIENT”, was “OTHER”/,
  },
  'a segment lost on the way': {
    change: (nodes, node) => {
      wire(node('mm-set'), 0, 'changed');
      return [
        ...nodes,
        functionNode(node('mm-set'), 'msg.payload = msg.payload.toString().replace(/PV1[^\\r]*\\r/, "")'),
      ];
    },
    says: /PV1-1\.1: expected “1”, was nothing/,
  },
  'the message sent twice': {
    change: (nodes, node) => {
      wire(node('mm-in'), 0, 'mm-set', 'changed');
      wire(node('mm-set'), 0, 'mm-send');
      const twice = functionNode(node('mm-set'), "msg.meshSend = { onceKey: 'another' }; delete msg.mllp");
      return [...nodes, { ...twice, wires: [['mm-send']] }];
    },
    says: /More came than was expected:\n\s+a message to MESH: X26ABC4 to X26ABC5/,
  },
  'an exception in a function': {
    change: (nodes, node) => {
      wire(node('mm-poll'), 0, 'changed', 'mm-received', 'mm-ack');
      wire(node('mm-which'), 0);
      return [...nodes.filter(({ type }) => type !== 'catch'), functionNode(node('mm-poll'), 'msg.nothing.here = 1')];
    },
    says: /an error of “Changes it”: TypeError/,
  },
  'a poll that is disabled': {
    change: (_, node) => void (node('mm-poll')['d'] = true),
    says: /No message left output 1 of “Inbox of X26ABC5”|did not start/,
  },
  'a node with another name than its test': {
    change: (_, node) => void (node('mm-in')['name'] = 'From elsewhere'),
    says: /The flow has no node “From the PAS”\. It has .*“From elsewhere”/,
  },
};

function functionNode(beside: FlowNode, code: string): FlowNode {
  const { z, x, y } = beside;
  const func = `${code};\nreturn msg;`;
  return { id: 'changed', type: 'function', name: 'Changes it', func, outputs: 1, z, x, y, wires: [['mm-send']] };
}

/** Runs `nhs-mesh test` and returns its exit code and what it printed. */
async function nhsMeshTest(...args: string[]): Promise<{ code: number | null; text: string }> {
  const child = spawn(process.execPath, [join(ROOT, 'dist', 'lib', 'cli', 'main.js'), 'test', ...args], { cwd: ROOT });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece: Buffer) => (text += piece.toString()));
  const code = await new Promise<number | null>((resolve) => void child.once('exit', resolve));
  return { code, text };
}

describe('nhs-mesh test', function () {
  this.timeout(180_000);

  it('passes a flow that is right, and fails each of twelve mistakes with what is wrong', async () => {
    const folder = await emptyFolder();
    const tests = join(folder, 'tests');
    await mkdir(join(tests, 'snapshots'), { recursive: true });
    const adt = await readFile(ADT);
    await writeFile(join(tests, 'adt-a01.hl7'), adt);
    await writeFile(join(tests, 'snapshots', 'adt-a01.hl7'), adt);
    const write = async (name: string, change: Change): Promise<void> => {
      const nodes = structuredClone(exampleFlows('mllp-to-mesh'));
      const changed = change(nodes, (id) => nodes.find((node) => node.id === id) ?? assert.fail(id)) ?? nodes;
      await writeFile(join(folder, `${name}.json`), JSON.stringify(changed));
      const file = { flow: `../${name}.json`, tests: TESTS };
      await writeFile(join(tests, `${name}.test.json`), JSON.stringify(file));
    };
    await write('right', () => undefined);
    const mistakes = Object.entries(MISTAKES);
    for (const [index, [, { change }]] of mistakes.entries()) await write(`mistake-${index}`, change);

    const junit = join(folder, 'junit.xml');
    const { code, text } = await nhsMeshTest('--tests', tests, '--junit', junit, '--json');
    assert.equal(code, 1);
    const reports = new Map(
      text.split(/^(?=[\w-]+\.test\.json$)/m).map((part) => [part.split('.test.json')[0] ?? '', part]),
    );
    assert.doesNotMatch(reports.get('right') ?? 'FAILED', /FAILED/, reports.get('right'));
    for (const [index, [mistake, { says }]] of mistakes.entries()) {
      const report = reports.get(`mistake-${index}`) ?? '';
      assert.match(report, /FAILED/, mistake);
      assert.match(report, says, mistake);
    }
    const counts = JSON.parse(text.trim().split('\n').at(-1) ?? '') as { tests: number; failed: number };
    assert.equal(counts.tests, 2 * (mistakes.length + 1));
    assert.match(
      await readFile(junit, 'utf8'),
      new RegExp(`<testsuites tests="${counts.tests}" failures="${counts.failed}">`),
    );
  });

  it('names the file and the place where a test file is wrong', async () => {
    const folder = await emptyFolder();
    const flow = join(folder, 'flows.json');
    await writeFile(flow, '[]');
    const path = join(folder, 'a.test.yaml');
    for (const [yaml, says] of [
      ['tests: []', /tests: Too small/],
      [
        'tests:\n  - name: one\n    then: [{ sent: { waitAtMost: soon } }]',
        /tests\.0\.then\.0\.sent\.waitAtMost: “soon” is no duration/,
      ],
      ['tests:\n  - name: one\n    given: [{ push: A }]', /tests\.0\.given\.0: there is no such step/],
      ['tests:\n  - name: one\n    given: [{ mllp: { to: A } }]', /give text or file, one of them/],
      ['tests: [', /a\.test\.yaml cannot be used/],
    ] as const) {
      await writeFile(path, yaml);
      const { code, text } = await nhsMeshTest(flow, '--tests', folder);
      assert.equal(code, 2, text);
      assert.match(text, says);
    }
  });

  it('uses the palette of a user folder, and says when this package is not in it', async () => {
    const folder = await emptyFolder();
    const flow = join(ROOT, 'examples', 'mllp-to-mesh.json');
    await mkdir(join(folder, 'node_modules', '@mesh-flows'), { recursive: true });
    await writeFile(join(folder, 'adt-a01.hl7'), await readFile(ADT));
    await writeFile(join(folder, 'a.test.json'), JSON.stringify({ tests: [TESTS[1]] }));
    const args = [flow, '--tests', folder, '--user-dir', folder];
    const before = await nhsMeshTest(...args);
    assert.equal(before.code, 2, before.text);
    assert.match(before.text, /does not have the package/);
    await symlink(ROOT, join(folder, 'node_modules', '@mesh-flows', 'node-red-nhs-mesh'));
    const { code, text } = await nhsMeshTest(...args);
    assert.equal(code, 0, text);
  });
});
