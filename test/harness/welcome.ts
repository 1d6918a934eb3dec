/**
 * The first tab of `npm start`: a page, in the description of the tab, that shows every flow of examples/ with its
 * picture, and a line for each on the tab.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { exampleFlows, ROOT } from './node-red';

/** An example as Node-RED's import menu shows it. */
export interface Example {
  /** The file's name, as under Import > Examples. */
  name: string;
  title: string;
  info: string;
}

/** Returns the examples in reading order: the introductory ones, the flows, the subflows. */
export function examples(): Example[] {
  const first = ['first-message', 'closed-loop', 'file-transfer'];
  const sortKey = (name: string): string => {
    const index = first.indexOf(name);
    return `${index < 0 ? (name.startsWith('subflow') ? 8 : 7) : index}${name}`;
  };
  return readdirSync(join(ROOT, 'examples'))
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.slice(0, -'.json'.length))
    .toSorted((one, other) => (sortKey(one) < sortKey(other) ? -1 : 1))
    .map((name) => {
      const nodes = exampleFlows(name);
      const head = nodes.find(({ type }) => type === 'tab') ?? nodes.find(({ type }) => type === 'subflow');
      const text = (property: string): string | undefined => head?.[property] as string | undefined;
      return { name, title: text('label') ?? text('name') ?? name, info: text('info') ?? '' };
    });
}

const TAB = 'welcome';
/** The folder of the pictures, and the address at which `npm start` serves them. */
export const PICTURES = { folder: join(ROOT, 'docs', 'recipes', 'pictures'), address: '/example-pictures/' };
const ROW = 40;
/** Approximate width of a character in the editor (pixels). */
const CHARACTER = 7;

/** Returns the name of an example's picture; the subflows share one. */
export function pictureOf(name: string): string {
  return name.startsWith('subflow-') ? 'subflows.png' : `${name}.png`;
}

/** Returns the page, in Markdown: what each example is for, with its picture. */
function welcomePage(how: string): string {
  const parts = examples().map(
    ({ name, title, info }) =>
      `## ${title}\n\n![${title}](${PICTURES.address}${pictureOf(name)})\n\n${info}\n\nImport it as \`${name}\`.`,
  );
  return [
    '# What this package can do',
    `Every flow below runs on the built-in sandbox, with nothing to set up. Import one by ${how}, deploy, and press its ` +
      'buttons from top to bottom.',
    ...parts,
  ].join('\n\n');
}

/** Returns the tab. `imported` are the examples that have tabs of their own already. */
export function welcomeFlow(packageName: string, imported: readonly string[]): unknown[] {
  const centre = (text: string): number => 60 + (text.length * CHARACTER + 55) / 2;
  const comment = (id: string, y: number, name: string, info: string): object => {
    return { id, type: 'comment', z: TAB, name, info, x: Math.round(centre(name)), y, wires: [] };
  };
  const how = `menu > Import > Examples > ${packageName}`;
  return [
    {
      id: TAB,
      type: 'tab',
      label: 'Welcome',
      disabled: false,
      info: welcomePage(how),
    },
    comment(
      'welcome-how',
      ROW,
      `Import any of these: ${how}, then Deploy`,
      'Ctrl-I opens the import dialog; choose Examples on its left. Each flow runs on its own on the built-in sandbox: ' +
        'press its buttons. docs/recipes says what to change in each flow for real use. Double-click a line to read what ' +
        'its flow is for.',
    ),
    ...examples().map(({ name, title, info }, index) =>
      comment(
        `welcome-${name}`,
        ROW * (index + 2) + ROW / 2,
        `${name}: ${title}${imported.includes(name) ? ' (imported: next tabs)' : ''}`,
        `![${title}](${PICTURES.address}${pictureOf(name)})\n\n${info}`,
      ),
    ),
  ];
}
