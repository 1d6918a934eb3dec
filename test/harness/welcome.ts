/**
 * The first tab of `npm start`: a line for every flow of examples/, and a page, at /welcome, that shows each with its
 * picture.
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

/** Returns the page: what each example is for, with its picture. */
function welcomePage(how: string): string {
  const parts = examples().map(
    ({ name, title, info }) =>
      `<section><h2>${html(title)}</h2><p>${html(info)} <em>Import it as ${html(name)}.</em></p>` +
      `<img src="${PICTURES.address}${pictureOf(name)}" alt="${html(title)}"></section>`,
  );
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>NHS MESH for Node-RED</title>',
    '<style>body { font-family: sans-serif; max-width: 1120px; margin: 2em auto; padding: 0 1em; color: #222; ',
    'background: #fff } img { max-width: 100%; border: 1px solid #ccc } section { margin: 3em 0 }</style></head><body>',
    '<h1>What this package can do</h1>',
    `<p>Every flow below runs on the built-in sandbox, with nothing to set up. Import one by ${html(how)}, deploy, and `,
    'press its buttons from top to bottom.</p>',
    ...parts,
    '</body></html>',
  ].join('\n');
}

function html(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** Returns the tab. `imported` are the examples that have tabs of their own already. */
export function welcomeFlow(packageName: string, imported: readonly string[]): unknown[] {
  const centre = (text: string): number => 60 + (text.length * CHARACTER + 55) / 2;
  const comment = (id: string, y: number, name: string, info: string): object => {
    return { id, type: 'comment', z: TAB, name, info, x: Math.round(centre(name)), y, wires: [] };
  };
  const at = (x: number, y: number): object => ({ x, y });
  const how = `menu > Import > Examples > ${packageName}`;
  return [
    {
      id: TAB,
      type: 'tab',
      label: 'Welcome',
      disabled: false,
      info: `Every flow of the pack: open /welcome in the browser for a page with their pictures. Import one by ${how}.`,
    },
    comment(
      'welcome-how',
      ROW,
      `Import any of these: ${how}, then Deploy`,
      'Ctrl-I opens the import dialog; choose Examples on its left. Each flow runs on its own on the built-in sandbox: ' +
        'press its buttons. docs/recipes says what to change in each flow for real use. Double-click a line to read what ' +
        'its flow is for.',
    ),
    {
      id: 'welcome-in',
      type: 'http in',
      z: TAB,
      name: 'GET /welcome',
      url: '/welcome',
      method: 'get',
      ...at(620, 140),
      wires: [['welcome-page']],
    },
    {
      id: 'welcome-page',
      type: 'template',
      z: TAB,
      name: 'A page with pictures',
      field: 'payload',
      fieldType: 'msg',
      format: 'html',
      syntax: 'plain',
      template: welcomePage(how),
      output: 'str',
      ...at(820, 140),
      wires: [['welcome-out']],
    },
    {
      id: 'welcome-out',
      type: 'http response',
      z: TAB,
      name: 'To the browser',
      statusCode: '',
      headers: { 'content-type': 'text/html' },
      ...at(1020, 140),
      wires: [],
    },
    ...examples().map(({ name, title, info }, index) =>
      comment(
        `welcome-${name}`,
        ROW * (index + 2) + ROW / 2,
        `${name}: ${title}${imported.includes(name) ? ' (imported: next tabs)' : ''}`,
        info,
      ),
    ),
  ];
}
