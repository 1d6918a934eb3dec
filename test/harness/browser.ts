/**
 * The editor of a real Node-RED in a headless Chromium, driven by playwright-core. A test opens the editor with flows,
 * uses it as a person would, and ends with `noErrors`.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Suite } from 'mocha';
import { chromium, type Browser, type Locator, type Page } from 'playwright-core';
import { ROOT, type NodeRedMajor, type NodeRedOptions, type RealNodeRed } from './node-red';
import { MAJORS as BOTH, startNodeRed } from './flows';

/** The usual paths of a Chromium, after the one that MESH_TEST_CHROMIUM names. */
const CHROMIUMS = [
  process.env['MESH_TEST_CHROMIUM'] ?? '',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
  'C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe',
];

const NO_CHROMIUM = 'no Chromium found: install one (apt-get install chromium) or set MESH_TEST_CHROMIUM to its path';

/** The major version that NODE_RED names (scripts/test.ts runs the two side by side), else both. */
export const MAJORS = BOTH.filter((major) => (process.env['NODE_RED'] ?? major) === major);

export type Theme = 'light' | 'dark';

/** The themes that each Node-RED has: 4.1 has no dark theme. */
export const THEMES: Record<NodeRedMajor, Theme[]> = { '4': ['light'], '5': ['light', 'dark'] };

let browser: Browser | undefined;

/**
 * Skips a suite and says so if there is no Chromium. Must be called first in the suite: Mocha adds no hook to a pending
 * suite.
 * @throws Error in CI when there is no Chromium, before the suite starts a server that would not be closed
 */
export function needsChromium(suite: Suite): void {
  suite.timeout(120_000);
  if (chromiumPath() === undefined) {
    if (process.env['CI'] === 'true') throw new Error(NO_CHROMIUM);
    console.log(`    skipped: ${NO_CHROMIUM}`);
    suite.pending = true;
  }
  suite.afterAll('close the browser', closeBrowser);
}

/** Closes the browser. A suite that called {@link needsChromium} does so itself. */
export async function closeBrowser(): Promise<void> {
  await browser?.close();
  browser = undefined;
}

/**
 * Waits until the first suggestion below a field is this workflow. The suggestions for the first letters are shown
 * briefly too, and Enter takes the first suggestion shown.
 */
export async function suggestedFirst(page: Page, workflowId: string): Promise<void> {
  await page.waitForFunction((expected) => {
    const first = document.querySelector('.red-ui-autoComplete-container li');
    return [...(first?.querySelectorAll('div') ?? [])].some((each) => each.textContent === expected);
  }, workflowId);
}

function chromiumPath(): string | undefined {
  return CHROMIUMS.find((path) => path !== '' && existsSync(path));
}

async function theBrowser(): Promise<Browser> {
  const executablePath = chromiumPath();
  assert.ok(executablePath, NO_CHROMIUM);
  browser ??= await chromium.launch({
    executablePath,
    // Chromium's own sandbox does not run as root, as in most containers. The other arguments keep it off the network.
    args: [
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  });
  return browser;
}

/** The editor of one Node-RED in a page. */
export class Editor {
  /** Errors in the console, and errors that the page threw. */
  readonly errors: string[] = [];

  private constructor(
    readonly nodeRed: RealNodeRed,
    readonly page: Page,
    readonly theme: Theme,
    readonly close: () => Promise<void>,
  ) {}

  /**
   * Starts a Node-RED with `flows` and opens its editor. `theme` dark needs Node-RED 5.
   * @param options those of `startNodeRed`, and the page's theme and size
   */
  static async open(
    options: Omit<NodeRedOptions, 'userDir'> & {
      userDir?: string;
      theme?: Theme;
      size?: { width: number; height: number };
      /** True for a Node-RED in which the package is not installed yet. */
      withoutPack?: boolean;
    },
  ): Promise<Editor> {
    const { nodeRed, done } = await startNodeRed(options);
    try {
      const theme = options.theme ?? 'light';
      const context = await (
        await theBrowser()
      ).newContext({
        viewport: options.size ?? { width: 1400, height: 900 },
        colorScheme: theme,
        locale: 'en-GB',
        acceptDownloads: true,
      });
      // Node-RED 5 keeps the choice of theme in the browser.
      await context.addInitScript((chosen) => localStorage.setItem('view-dark-theme', chosen), theme);
      const page = await context.newPage();
      page.setDefaultTimeout(15_000);
      const editor = new Editor(nodeRed, page, theme, async () => {
        await context.close();
        await done();
      });
      page.on('pageerror', (error) => {
        if (!isTipOfNodeRed(error)) editor.errors.push(`thrown: ${error.message}`);
      });
      page.on('console', (message) => {
        if (message.type() === 'error') editor.errors.push(`${message.text()} (${message.location().url})`);
      });
      await page.goto(nodeRed.url);
      await editor.#loaded(options.withoutPack === true ? 'inject' : 'mesh-config');
      return editor;
    } catch (error) {
      await done();
      throw error;
    }
  }

  async #loaded(type = 'mesh-config'): Promise<void> {
    await this.page.waitForFunction(
      (nodeType) => {
        const { RED } = globalThis as unknown as { RED?: EditorGlobal };
        return RED?.nodes?.getType?.(nodeType) !== undefined && document.querySelector('#red-ui-header') !== null;
      },
      type,
      { timeout: 60_000 },
    );
    await this.page.locator('#red-ui-main-container, #red-ui-workspace').first().waitFor();
    await this.page.locator('#red-ui-loading-progress').waitFor({ state: 'hidden' });
  }

  /** Opens a node's edit dialog and returns its tray. */
  async edit(id: string): Promise<Locator> {
    await this.page.evaluate((node) => {
      const { RED } = globalThis as unknown as { RED: EditorGlobal };
      RED.editor.edit(RED.nodes.node(node));
    }, id);
    return this.openTray();
  }

  /** Opens the edit dialog of a config node, or of a new one of this type, and returns its tray. */
  async editConfig(type: string, id = '_ADD_'): Promise<Locator> {
    await this.page.evaluate(
      ([ofType, ofId]) => {
        const { RED } = globalThis as unknown as { RED: EditorGlobal };
        RED.editor.editConfig('', ofType, ofId);
      },
      [type, id] as const,
    );
    return this.openTray();
  }

  /** Adds a new node with its defaults to the open tab, as dragging it from the palette does, and returns its id. */
  async add(type: string): Promise<string> {
    return this.page.evaluate((ofType) => {
      const { RED } = globalThis as unknown as { RED: EditorGlobal };
      const { defaults = {} } = RED.nodes.getType(ofType) as { defaults?: Record<string, { value?: unknown }> };
      const values = Object.fromEntries(Object.entries(defaults).map(([name, { value }]) => [name, value]));
      const [node] = RED.view.importNodes(
        [
          {
            ...values,
            id: `new-${ofType}`,
            type: ofType,
            x: 700,
            y: 100 + 40 * Math.floor(Math.random() * 10),
            wires: [],
          },
        ],
        { generateIds: false, addFlow: false, touchImport: true, notify: false },
      )?.nodes ?? [undefined];
      const id = node?.id ?? `new-${ofType}`;
      RED.view.redraw(true);
      return id;
    }, type);
  }

  /** Returns the tray of the dialog that was opened last, as soon as it stands still. */
  async openTray(): Promise<Locator> {
    const tray = this.page.locator('.red-ui-tray').last();
    await tray.locator('.red-ui-tray-body form, .red-ui-tray-body .form-row').first().waitFor();
    // The tray slides in; a click on a moving element misses it.
    await this.page.waitForFunction(() => {
      const last = [...document.querySelectorAll('.red-ui-tray')].at(-1);
      const right = last?.getBoundingClientRect().right ?? Infinity;
      return right <= (last?.parentElement?.getBoundingClientRect().right ?? 0) + 1;
    });
    return tray;
  }

  /** Presses the open dialog's Done (or Add, Update) and waits until it is gone. */
  async done(): Promise<void> {
    const before = await this.page.locator('.red-ui-tray').count();
    await this.page
      .locator('.red-ui-tray')
      .last()
      .locator('#node-dialog-ok, #node-config-dialog-ok, .red-ui-tray-toolbar button.primary')
      .first()
      .click();
    await this.page.waitForFunction((count) => document.querySelectorAll('.red-ui-tray').length < count, before);
  }

  /** Presses the open dialog's Cancel and waits until it is gone. */
  async cancel(): Promise<void> {
    const before = await this.page.locator('.red-ui-tray').count();
    await this.page
      .locator('.red-ui-tray')
      .last()
      .locator('#node-dialog-cancel, #node-config-dialog-cancel')
      .first()
      .click();
    await this.page.waitForFunction((count) => document.querySelectorAll('.red-ui-tray').length < count, before);
  }

  /** Opens the MESH sidebar by its action, as its keyboard shortcut does, and waits until it shows a mailbox. */
  async showSidebar(): Promise<Locator> {
    const sidebar = this.page.locator('.mesh-sidebar');
    await this.page.evaluate(() => {
      const { RED } = globalThis as unknown as { RED: EditorGlobal };
      RED.actions.invoke('mesh:show-sidebar');
    });
    await sidebar.locator('.mesh-counts').waitFor();
    return sidebar;
  }

  /** Drags the edge of the sidebar so that it has this width (pixels). */
  async setSidebarWidth(width: number): Promise<void> {
    const edge = this.page
      .locator('#red-ui-sidebar-separator, .red-ui-sidebar-primary .red-ui-sidebar-separator')
      .last();
    const now = await this.page.locator('.mesh-sidebar').evaluate((element) => element.clientWidth);
    const box = await edge.boundingBox();
    assert.ok(box);
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 3];
    await this.page.mouse.move(x, y);
    await this.page.mouse.down();
    await this.page.mouse.move(x + (now - width) / 2, y, { steps: 5 });
    await this.page.mouse.move(x + now - width, y, { steps: 5 });
    await this.page.mouse.up();
  }

  /** Cancels all open dialogs. */
  async cancelAll(): Promise<void> {
    while ((await this.page.locator('.red-ui-tray').count()) > 0) await this.cancel();
  }

  /** Reloads the editor; changes that are not deployed are lost. */
  async reload(): Promise<void> {
    await this.page.reload();
    await this.#loaded();
  }

  /** Imports an example of this package as a person does (menu, Import, Examples), into its own tab. */
  async importExample(name: string): Promise<void> {
    await this.page.evaluate(() => {
      const { RED } = globalThis as unknown as { RED: EditorGlobal };
      RED.actions.invoke('core:show-examples-import-dialog');
    });
    const tree = this.page.locator('#red-ui-clipboard-dialog-import-tab-examples');
    await tree.getByText('node-red-nhs-mesh').click();
    const ok = this.page.locator('#red-ui-clipboard-dialog-ok');
    // A click on a tree that is still unfolding selects nothing.
    for (let tries = 0; tries < 10 && !(await ok.isEnabled()); tries += 1) {
      await tree.getByText(name, { exact: true }).click();
      await this.page.waitForTimeout(100 * tries);
    }
    await ok.click();
    await this.page.locator('#red-ui-clipboard-dialog').waitFor({ state: 'hidden' });
    // The dialog closes before the example has arrived from the server.
    await this.page.locator('#red-ui-header-button-deploy:not(.disabled)').waitFor({ timeout: 60_000 });
  }

  /** Deploys the flows in the editor and waits until Node-RED has them. */
  async deploy(): Promise<void> {
    // The button is disabled from the click on: only Node-RED's response says that the flows have changed.
    const response = this.page.waitForResponse(
      (each) => each.request().method() === 'POST' && new URL(each.url()).pathname.endsWith('/flows'),
      { timeout: 30_000 },
    );
    await this.page.evaluate(() => {
      const { RED } = globalThis as unknown as { RED: EditorGlobal };
      RED.actions.invoke('core:deploy-flows');
    });
    // A node may take up to 15 s to close.
    await response;
    await this.page.locator('#red-ui-header-button-deploy.disabled').waitFor({ timeout: 30_000 });
  }

  /**
   * Returns a line for each violation that axe-core rates serious or critical in a part of the page, colours included.
   */
  async seriousViolations(selector: string): Promise<string[]> {
    await this.page.evaluate(axeSource());
    return this.page.evaluate(async (within) => {
      const { axe } = globalThis as unknown as { axe: Axe };
      const { violations } = await axe.run(within);
      return violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .flatMap(({ id, help, nodes }) => nodes.map(({ html }) => `${id}: ${help}: ${html}`));
    }, selector);
  }

  /**
   * Saves a picture of a part of the page in docs/pictures, only with MESH_PICTURES=1, so that a usual test run leaves
   * the tree unchanged.
   */
  async picture(name: string, part: Locator | Page = this.page): Promise<void> {
    if (process.env['MESH_PICTURES'] !== '1') return;
    const path = join(ROOT, 'docs', 'pictures', `${name}.png`);
    mkdirSync(dirname(path), { recursive: true });
    await part.screenshot({ path, animations: 'disabled' });
  }

  /** Fails if the console showed an error or the page threw one. */
  noErrors(): void {
    // Node-RED 5 asks nodered.org for news when it starts; the tests have no network.
    const ours = this.errors.filter(
      (error) => !/nodered\.org|ERR_INTERNET_DISCONNECTED|ERR_NAME_NOT_RESOLVED/.test(error),
    );
    assert.deepEqual(ours, []);
  }
}

let axe: string | undefined;
const axeSource = (): string => (axe ??= readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8'));

interface Axe {
  run(within: string): Promise<{
    violations: Array<{ id: string; impact: string | null; help: string; nodes: Array<{ html: string }> }>;
  }>;
}

/** The part of the editor's global `RED` that the tests use. */
interface EditorGlobal {
  nodes: { node(id: string): unknown; getType(type: string): unknown };
  editor: { edit(node: unknown): void; editConfig(name: string, type: string, id: string): void };
  view: {
    redraw(force: boolean): void;
    importNodes(nodes: object[], options: object): { nodes?: Array<{ id: string }> } | undefined;
  };
  actions: { invoke(name: string): void };
}

/**
 * Node-RED shows a tip of its own before the tip's box exists, if the page is slow to load (showTip in red.js:
 * `tipBox.html`). An error with a file of this pack in its stack is never excused.
 */
function isTipOfNodeRed({ message, stack = '' }: Error): boolean {
  return message.endsWith("of undefined (reading 'html')") && !stack.includes('node-red-nhs-mesh');
}
