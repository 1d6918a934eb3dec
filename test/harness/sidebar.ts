/**
 * The MESH sidebar in the editor of a Node-RED with the mailboxes X26ABC1 and X26ABC2, both on a sandbox of its own: what
 * the tests of the sidebar have in common.
 */
import type { Locator } from 'playwright-core';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { Editor, type Theme } from './browser';
import { mailboxOn } from './flows';
import type { FlowNode, NodeRedMajor } from './node-red';

/** A file to send from the sidebar. */
interface FileToSend {
  to: string;
  subject?: string;
  name?: string;
  bytes?: Buffer;
}

export class MeshSidebar {
  private constructor(
    readonly sandbox: Sandbox,
    readonly editor: Editor,
    readonly sidebar: Locator,
  ) {}

  /**
   * Deploys a flow and its two mailboxes, and opens the sidebar.
   * @param options.height of the page (pixels)
   * @param options.config replaces fields of the two mailboxes' mesh-config nodes
   */
  static async open(options: {
    major: NodeRedMajor;
    theme?: Theme;
    height: number;
    flow: readonly FlowNode[];
    config?: { X26ABC1?: object; X26ABC2?: object };
  }): Promise<MeshSidebar> {
    const { major, theme = 'light', height, flow, config = {} } = options;
    const sandbox = await startSandbox({ protocol: 'https' });
    let editor: Editor | undefined;
    try {
      editor = await Editor.open({ major, theme, flows: [], size: { width: 1400, height } });
      await editor.nodeRed.deploy([
        ...flow,
        ...(await mailboxOn(sandbox, 'X26ABC1', { config: config.X26ABC1 ?? {} })),
        ...(await mailboxOn(sandbox, 'X26ABC2', { config: config.X26ABC2 ?? {} })),
      ]);
      await editor.reload();
      return new MeshSidebar(sandbox, editor, await editor.showSidebar());
    } catch (error) {
      await editor?.close();
      await sandbox.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.editor.close();
    await this.sandbox.close();
  }

  /** Selects a mailbox and waits until it is shown. */
  async choose(mailboxId: string): Promise<void> {
    await this.sidebar.locator('.mesh-toolbar select').selectOption({ label: `${mailboxId} · ${mailboxId}` });
    await this.sidebar.locator('.mesh-head strong', { hasText: mailboxId }).waitFor();
  }

  /** Sends a file from the shown mailbox, and waits until it is in the outbox. */
  async send({
    to,
    subject = '',
    name = 'letter.txt',
    bytes = Buffer.from('Dear colleague'),
  }: FileToSend): Promise<void> {
    const { sidebar } = this;
    await sidebar.getByRole('button', { name: 'Send a file' }).click();
    await sidebar.getByLabel('Recipient').fill(to);
    await sidebar.getByLabel('Workflow id').fill('TEST_WORKFLOW');
    await sidebar.getByLabel('Subject').fill(subject);
    await sidebar.locator('input[type=file]').setInputFiles({ name, mimeType: 'text/html', buffer: bytes });
    await sidebar.getByRole('button', { name: 'Send', exact: true }).click();
    // The words below may still be those about the message before.
    await sidebar.locator('.mesh-compose').waitFor({ state: 'detached' });
    await sidebar.getByText('The message is in the outbox.').waitFor();
  }

  /**
   * Presses a button of the open message, or of another part of the sidebar, and confirms.
   * @returns the words of the question
   */
  async act(name: string, where: Locator = this.sidebar.locator('.mesh-detail')): Promise<string> {
    await where.getByRole('button', { name, exact: true }).click();
    const question = this.sidebar.getByRole('alertdialog');
    const words = await question.innerText();
    await question.getByRole('button', { name, exact: true }).click();
    return words;
  }
}
