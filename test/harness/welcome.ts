/** The first tab of `npm start`: every example, what it is for, and how it is imported. Made from examples/, so that none is missing. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { exampleFlows, ROOT } from './node-red';

/** An example as Node-RED's import menu has it. */
export interface Example {
  /** As under Import > Examples: the file's name. */
  name: string;
  title: string;
  info: string;
}

/** In the order in which they are worth reading: the first ones, the flows, the subflows. */
export function examples(): Example[] {
  const first = ['first-message', 'closed-loop', 'file-transfer'];
  const place = (name: string): string => {
    const index = first.indexOf(name);
    return `${index < 0 ? (name.startsWith('subflow') ? 8 : 7) : index}${name}`;
  };
  return readdirSync(join(ROOT, 'examples'))
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.slice(0, -'.json'.length))
    .toSorted((one, other) => (place(one) < place(other) ? -1 : 1))
    .map((name) => {
      const nodes = exampleFlows(name);
      const head = nodes.find(({ type }) => type === 'tab') ?? nodes.find(({ type }) => type === 'subflow');
      const text = (property: string): string | undefined => head?.[property] as string | undefined;
      return { name, title: text('label') ?? text('name') ?? name, info: text('info') ?? '' };
    });
}

const TAB = 'welcome';
const ROW = 40;
/** Width of a letter in the editor, about. */
const LETTER = 7;

/** The tab. `here`: the examples that are imported already. */
export function welcomeFlow(packageName: string, here: readonly string[]): unknown[] {
  const left = (text: string): number => 60 + (text.length * LETTER + 55) / 2;
  const comment = (id: string, y: number, name: string, info: string): object => {
    return { id, type: 'comment', z: TAB, name, info, x: Math.round(left(name)), y, wires: [] };
  };
  const how = `menu > Import > Examples > ${packageName}`;
  return [
    {
      id: TAB,
      type: 'tab',
      label: 'Welcome',
      disabled: false,
      info: `Every flow of the pack. Import one by ${how}; each stands by itself, on the built-in sandbox.`,
    },
    comment(
      'welcome-how',
      ROW,
      `Import any of these: ${how}, then Deploy`,
      'Ctrl-I opens the import dialog; choose Examples at its left. Each flow runs by itself on the built-in sandbox: press its buttons. docs/recipes says for each what to change for real use. Double-click a line to read what the flow is for.',
    ),
    ...examples().map(({ name, title, info }, index) =>
      comment(
        `welcome-${name}`,
        ROW * (index + 2) + ROW / 2,
        `${name}: ${title}${here.includes(name) ? ' (imported: next tabs)' : ''}`,
        info,
      ),
    ),
  ];
}
