/**
 * The flows of a newcomer's first hour, by docs/first-steps.md, from an empty canvas in a new Node-RED 5 to a message that
 * went through MESH: with the mouse as a person has it, each press of a button counted. The dialogs' defaults must leave
 * little to do and nothing to guess.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { validatePayload } from '../../lib/formats/fhir/profiles/validate-payload';
import { writeHl7 } from '../../lib/index';
import { emptyFolder } from '../harness/cleanup';
import { Editor, MAJORS, needsChromium } from '../harness/browser';
import type { FlowNode, RealNodeRed } from '../harness/node-red';
import { freePort } from '../harness/ports';
import { adt as dischargeMessage, PDF } from '../letters/letters';
import { adt, Sender } from '../mllp/support';
import { Names } from './names';

interface Point {
  x: number;
  y: number;
}

/** A hand on the mouse. A click and a drag count as one, a double click as two; typing is not counted. */
class Hand {
  #clicks = 0;
  readonly #started = performance.now();

  constructor(readonly page: Page) {}

  async click(target: Locator): Promise<void> {
    this.#clicks += 1;
    await target.click();
  }

  async doubleClick(target: Locator): Promise<void> {
    this.#clicks += 2;
    await target.dblclick();
  }

  async drag(from: Locator, to: Locator | Point): Promise<void> {
    this.#clicks += 1;
    const { mouse } = this.page;
    const start = await middleOf(from);
    await mouse.move(start.x, start.y);
    await mouse.down();
    const end = 'x' in to ? to : await middleOf(to);
    await mouse.move((start.x + end.x) / 2, (start.y + end.y) / 2, { steps: 5 });
    await mouse.move(end.x, end.y, { steps: 5 });
    await mouse.up();
  }

  /** Prints what it took; fails with more than `atMost` clicks. */
  took(what: string, atMost: number): void {
    const seconds = ((performance.now() - this.#started) / 1000).toFixed(1);
    console.log(`        ${what}: ${this.#clicks} clicks (at most ${atMost}), ${seconds} s`);
    assert.ok(this.#clicks <= atMost, `${what} took ${this.#clicks} clicks, more than ${atMost}`);
  }
}

async function middleOf(part: Locator): Promise<Point> {
  await part.scrollIntoViewIfNeeded();
  const box = await part.boundingBox();
  assert.ok(box);
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

/** Adds a flow that the editor does not show: a partner with a mailbox of its own on the same sandbox. */
async function addPartner(nodeRed: RealNodeRed, mailboxId: string, nodes: FlowNode[]): Promise<void> {
  const response = await fetch(`${nodeRed.url}/flow`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      label: 'partner',
      configs: [{ id: 'partner', type: 'mesh-config', version: 1, environment: 'sandbox', mailboxId }],
      nodes,
    }),
  });
  assert.equal(response.status, 200);
}

/** Sends a text to X26ABC2 from X26ABC1. */
async function sendFromPartner(nodeRed: RealNodeRed, payload: string): Promise<void> {
  const props = [{ p: 'payload', v: payload, vt: 'str' }];
  const address = { to: 'X26ABC2', toType: 'str', workflowId: 'TEST_WORKFLOW', workflowIdType: 'str' };
  const send = { version: 1, mailbox: 'partner', ...address, payload: 'payload', payloadType: 'msg' };
  await addPartner(nodeRed, 'X26ABC1', [
    { id: 'partner-go', type: 'inject', props, wires: [['partner-send']] },
    { id: 'partner-send', type: 'mesh-send', ...send, wires: [[]] },
  ]);
  await nodeRed.inject('partner-go');
}

/** Returns the text that X26ABC2 receives. */
async function receivedByPartner(nodeRed: RealNodeRed): Promise<unknown> {
  const debug = { active: true, tosidebar: true, complete: 'payload', targetType: 'msg' };
  const poll = { version: 1, mailbox: 'partner', interval: 0.1, payloadAs: 'text', acknowledge: 'after-delivery' };
  const toDebug = ['partner-debug'];
  await addPartner(nodeRed, 'X26ABC2', [
    { id: 'partner-poll', type: 'mesh-poll', ...poll, wires: [toDebug, toDebug, toDebug, toDebug] },
    { id: 'partner-debug', type: 'debug', ...debug, wires: [] },
  ]);
  return nodeRed.debug('partner-debug');
}

(MAJORS.includes('5') ? describe : describe.skip)('the first hour in a new Node-RED 5', function () {
  needsChromium(this);
  let editor: Editor;
  let hand: Hand;
  beforeEach(async () => {
    // The debug messages show whole payloads.
    editor = await Editor.open({ major: '5', settings: 'debugMaxLength: 1000000,' });
    hand = new Hand(editor.page);
  });
  afterEach(async () => {
    await editor.close();
  });

  const button = (name: string): Locator => editor.page.getByRole('button', { name, exact: true });
  const debugged = (text: string): Locator => editor.page.locator('.red-ui-debug-msg').filter({ hasText: text });

  /** Drags a node from the palette, where it has this name, to a place on the canvas (pixels from its top left). */
  async function place(paletteName: string, x: number, y: number): Promise<Locator> {
    const { page } = editor;
    const nodes = page.locator('#red-ui-workspace-chart .red-ui-flow-node-group');
    const idsOf = (): Promise<string[]> => nodes.evaluateAll((all) => all.map(({ id }) => id));
    const before = await idsOf();
    const canvas = await page.locator('#red-ui-workspace-chart').boundingBox();
    assert.ok(canvas);
    const named = page.locator(`.red-ui-palette-node[data-palette-label="${paletteName}"]`);
    await hand.drag(named, { x: canvas.x + x, y: canvas.y + y });
    await page.waitForFunction(
      (count) => document.querySelectorAll('#red-ui-workspace-chart .red-ui-flow-node-group').length > count,
      before.length,
    );
    const added = (await idsOf()).find((id) => !before.includes(id));
    return page.locator(`[id="${added}"]`);
  }

  /** Wires an output, counted from 1, to the input of a node. */
  const wire = (from: Locator, to: Locator, output = 1): Promise<void> =>
    hand.drag(
      from.locator('.red-ui-flow-port-output .red-ui-flow-port').nth(output - 1),
      to.locator('.red-ui-flow-port-input .red-ui-flow-port'),
    );

  async function dialogOf(node: Locator): Promise<Locator> {
    await hand.doubleClick(node);
    return editor.openTray();
  }

  /** Fills a field of a dialog by its label. */
  async function fill(dialog: Locator, label: string, value: string): Promise<void> {
    const row = dialog.locator('.form-row:visible', { has: editor.page.getByText(label, { exact: true }) });
    await hand.click(row.getByRole('textbox').first());
    await editor.page.keyboard.press('Control+A');
    await editor.page.keyboard.type(value);
  }

  /** Adds a mailbox with the plus of a node's dialog: the one that its dialog proposes, or another. */
  async function addMailbox(
    dialog: Locator,
    names: Names,
    { mailboxId, odsCode }: { mailboxId?: string; odsCode?: string } = {},
  ): Promise<void> {
    await hand.click(dialog.locator('#node-input-btn-mailbox-add'));
    const mailbox = editor.page.locator('.red-ui-tray', { has: editor.page.locator('#node-config-input-mailboxId') });
    await editor.openTray();
    if (mailboxId !== undefined) await fill(mailbox, 'Mailbox', mailboxId);
    if (odsCode !== undefined) await fill(mailbox, names.of('Our ODS code'), odsCode);
    await hand.click(mailbox.getByRole('button', { name: names.of('Add'), exact: true }));
    await mailbox.waitFor({ state: 'detached' });
    await editor.openTray();
  }

  async function finish(dialog: Locator, names: Names): Promise<void> {
    await hand.click(dialog.getByRole('button', { name: names.of('Done'), exact: true }));
    await editor.page.waitForFunction(() => document.querySelectorAll('.red-ui-tray').length === 0);
  }

  async function deploy(names: Names): Promise<void> {
    await hand.click(editor.page.locator('#red-ui-header-button-deploy', { hasText: names.of('Deploy') }));
    await editor.page.locator('#red-ui-header-button-deploy.disabled').waitFor({ timeout: 60_000 });
  }

  it('takes at most 9 clicks to the first message', async () => {
    const { page } = editor;
    const names = new Names('Three clicks to the first message');
    await hand.click(page.locator('#red-ui-header-button-sidemenu'));
    const menu = page.locator('#red-ui-header-button-sidemenu-submenu');
    await hand.click(menu.getByText(names.of('Import'), { exact: true }));
    const dialog = page.locator('#red-ui-clipboard-dialog');
    await hand.click(dialog.getByRole('link', { name: names.of('Examples') }));
    const tree = dialog.locator('#red-ui-clipboard-dialog-import-tab-examples');
    await hand.click(tree.getByText('@mesh-flows/node-red-nhs-mesh', { exact: true }));
    await tree.getByText('first-message', { exact: true }).waitFor();
    // A click on a tree that is still unfolding selects nothing.
    await page.waitForFunction(
      () => (globalThis as unknown as { $: (selector: string) => { length: number } }).$(':animated').length === 0,
    );
    await hand.click(tree.getByText(names.of('first-message'), { exact: true }));
    await hand.click(button('Import'));
    await hand.click(page.locator('.red-ui-tab').getByText(names.of('First message'), { exact: true }));
    await deploy(names);
    const inject = page.locator('.red-ui-flow-node-group', { has: page.getByText('HL7 v2 ADT', { exact: true }) });
    await hand.click(inject.locator('.red-ui-flow-node-button-button'));
    for (const name of ['Accepted by MESH', 'Received', 'Done']) await debugged(`node: ${names.of(name)}`).waitFor();
    hand.took('First message', 9);
    editor.noErrors();
  });

  it('takes at most 20 clicks from HL7 over MLLP to MESH', async () => {
    const names = new Names('HL7 over MLLP to MESH');
    const port = await freePort();
    const input = await place(names.of('mllp in'), 160, 160);
    const send = await place(names.of('mesh send'), 400, 160);
    const response = await place(names.of('mllp response'), 640, 160);
    await wire(input, send);
    await wire(send, response);
    let dialog = await dialogOf(input);
    await fill(dialog, names.of('Port'), String(port));
    await finish(dialog, names);
    dialog = await dialogOf(send);
    await addMailbox(dialog, names);
    await fill(dialog, names.of('To'), 'X26ABC2');
    await fill(dialog, names.of('Workflow id'), 'TEST_WORKFLOW');
    await finish(dialog, names);
    await deploy(names);
    await input.getByText(names.of('listening')).waitFor();
    const sender = await Sender.connect(port);
    sender.send(adt('FIRST-HOUR-1'));
    assert.deepEqual(await sender.received(1), ['AA FIRST-HOUR-1']);
    await send.getByText(names.of('1 sent (sandbox)')).waitFor();
    hand.took('HL7 over MLLP to MESH', 20);
    assert.match(String(await receivedByPartner(editor.nodeRed)), /\|FIRST-HOUR-1\|P\|/);
    names.allUsed();
    editor.noErrors();
  });

  it('takes at most 45 clicks from an ADT and a PDF in a file to a valid Send Document', async () => {
    const { page, nodeRed } = editor;
    const names = new Names('A letter from an ADT and a PDF');
    const port = await freePort();
    const pdf = join(await emptyFolder(), 'letter.pdf');
    await writeFile(pdf, PDF);
    const input = await place(names.of('mllp in'), 110, 100);
    const hl7 = await place(names.of('mesh hl7'), 300, 100);
    const change = await place(names.of('change'), 490, 100);
    const letter = await place(names.of('mesh letter'), 680, 100);
    const fhir = await place(names.of('mesh fhir'), 110, 220);
    const send = await place(names.of('mesh send'), 300, 220);
    const response = await place(names.of('mllp response'), 490, 220);
    const line = [input, hl7, change, letter, fhir, send, response];
    for (const [at, from] of line.slice(0, -1).entries()) await wire(from, line[at + 1] ?? from);

    let dialog = await dialogOf(input);
    await fill(dialog, names.of('Port'), String(port));
    await finish(dialog, names);

    dialog = await dialogOf(change);
    const type = async (field: Locator, value: string): Promise<void> => {
      await hand.click(field);
      await page.keyboard.press('Control+A');
      await page.keyboard.type(value);
    };
    const rule = dialog.locator('#node-input-rule-container .red-ui-typedInput-input:visible');
    await type(rule.nth(0), 'letter.documents[0].file');
    await type(rule.nth(1), pdf);
    await finish(dialog, names);

    dialog = await dialogOf(letter);
    await addMailbox(dialog, names, { odsCode: 'X26' });
    await fill(dialog, names.of('Organisation'), 'Example Hospital');
    await fill(dialog, names.of('Telephone'), '01632960000');
    await fill(dialog, names.of('Title'), 'Clinic letter');
    await fill(dialog, names.of('Type'), '823681000000100');
    await type(dialog.locator('#node-input-typeName'), 'Outpatient letter');
    await finish(dialog, names);

    dialog = await dialogOf(send);
    await hand.click(dialog.locator('#node-input-mailbox'));
    await dialog.locator('#node-input-mailbox').selectOption({ index: 0 });
    await fill(dialog, names.of('To'), 'X26ABC2');
    await hand.click(dialog.locator('details.mesh-more > summary', { hasText: names.of('More') }));
    const validate = dialog.locator('.form-row', { has: page.getByText(names.of('Validate'), { exact: true }) });
    await hand.click(validate.locator('select'));
    await validate.locator('select').selectOption('fhir');
    await finish(dialog, names);
    await deploy(names);
    await input.getByText('listening').waitFor();
    const sender = await Sender.connect(port);
    sender.send(Buffer.from(writeHl7(dischargeMessage())));
    assert.deepEqual(await sender.received(1), ['AA CONTROL1']);
    await send.getByText(names.of('1 sent (sandbox)')).waitFor();
    hand.took('ADT and PDF to a Send Document', 45);

    const received = String(await receivedByPartner(nodeRed));
    assert.ok(received.includes(PDF.toString('base64')));
    const { valid } = await validatePayload({ payload: received, release: 'STU3', sources: [], profiles: [] });
    assert.ok(valid);
    names.allUsed();
    editor.noErrors();
  });

  it('takes at most 25 clicks from a poll through HL7 to mesh ack', async () => {
    const names = new Names('From MESH: poll, HL7, ack');
    const poll = await place(names.of('mesh poll'), 160, 160);
    const hl7 = await place(names.of('mesh hl7'), 400, 100);
    const debug = await place(names.of('debug'), 640, 100);
    const ack = await place(names.of('mesh ack'), 640, 220);
    await wire(poll, hl7);
    await wire(hl7, debug);
    await wire(hl7, ack);
    await wire(poll, ack, 2);
    await wire(poll, ack, 3);
    await wire(poll, debug, 4);
    const dialog = await dialogOf(poll);
    await addMailbox(dialog, names, { mailboxId: 'X26ABC2' });
    await fill(dialog, names.of('Poll every'), '0.1');
    await finish(dialog, names);
    await deploy(names);
    await sendFromPartner(editor.nodeRed, adt('FIRST-HOUR-2').toString());
    const shown = await editor.nodeRed.debug((await debug.getAttribute('id')) ?? '');
    assert.match(JSON.stringify(shown), /"FIRST-HOUR-2"/);
    await debugged('object').waitFor();
    await ack.getByText(names.of('1 done (sandbox)')).waitFor();
    hand.took('Poll, HL7, ack', 25);
    names.allUsed();
    editor.noErrors();
  });
});
