/**
 * The rules for how an example is drawn, so that it can be read like a page: {@link layoutFindings} says where a flow
 * breaks them. Sizes are the editor's: a node is as wide as its name needs, and a group is drawn around its nodes,
 * whatever its own width in the file says.
 *
 * Printed by example: `npx tsx test/harness/layout.ts [name …]`
 */
import { exampleFlows, type FlowNode } from './node-red';
import { examples } from './welcome';

/** The rules, by the name that a finding has. */
export const RULES = {
  backwards: 'A wire leads to the right: its target’s x is greater than its source’s.',
  crossing: 'A wire touches no node except its two ends.',
  between: 'A wire stays in its group: a link node with a name leads to another.',
  overlap: 'Nodes and groups do not overlap, and each node is in a group.',
  groups: 'The groups of a tab begin at the same x, are equally wide, and end within 1,100 pixels.',
  row: 'At most five nodes stand in a row.',
  comment: 'Each group has one comment, above its nodes, that says what it does and why.',
  labels: 'Every node shows a name, and every output of a node with several a label.',
  foot: 'Errors and tests have a group of their own, the last one; every Catch node is in it.',
  errors: 'A debug node behind a Catch node shows msg.error.message.',
  port: 'Nothing depends on the port of Node-RED.',
  variables: 'No variable of the machine has to be set: each one used has a value on the tab.',
  mailboxes: 'Each example has mailboxes of its own, and names no other.',
} as const;

type Rule = keyof typeof RULES;

interface Finding {
  rule: Rule;
  text: string;
}

/** A rectangle in the editor, in pixels. */
interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

const RIGHT_EDGE = 1100;
const MAX_IN_ROW = 5;
/** Node-RED's sizes (red.js: node_width, node_height, the margin of a group, the width of a button beside a node). */
const NODE_WIDTH = 100;
const NODE_HEIGHT = 30;
const GROUP_MARGIN = 26;
const BUTTON = 20;

/** Nodes of Node-RED that have no input. */
const WITHOUT_INPUT = new Set([
  'inject',
  'catch',
  'complete',
  'status',
  'comment',
  'link in',
  'http in',
  'mesh-mllp-in',
]);

/** Widths of the printable ASCII characters from the space on in Arial, in thousandths of the font's size. */
const WIDTHS = [
  278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556,
  556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833,
  722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556,
  556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334,
  260, 334, 584,
];
const FONT_SIZE = 14;

function textWidth(shown: string): number {
  const units = Array.from(shown, (character) => WIDTHS[character.charCodeAt(0) - 32] ?? 556);
  return (units.reduce((sum, width) => sum + width, 0) * FONT_SIZE) / 1000;
}

/** Returns a text property of a node; empty when it has none. */
function textOf(node: FlowNode | undefined, property: string): string {
  const value = node?.[property];
  return typeof value === 'string' ? value : '';
}

/** Returns the text that the editor shows in a node. */
function labelOf(node: FlowNode, nodes: readonly FlowNode[]): string {
  // An inject node that starts by itself has a sign behind its name.
  const isTimed = node.type === 'inject' && Boolean(node['repeat'] || node['crontab']);
  const name = textOf(node, 'name') + (isTimed ? '\u00a0↻' : node['once'] === true ? '\u00a0¹' : '');
  if (name !== '' || !node.type.startsWith('subflow:')) return name || node.type;
  const subflow = nodes.find(({ id }) => id === node.type.slice('subflow:'.length));
  return textOf(subflow, 'name');
}

/** Returns the number of outputs; a debug node, for example, has none. */
function outputsOf(node: FlowNode): number {
  return (node['wires'] as string[][] | undefined)?.length ?? 0;
}

/** Returns the width of a node in the editor. */
function widthOf(node: FlowNode, nodes: readonly FlowNode[]): number {
  if (hidesName(node)) return NODE_HEIGHT;
  const needed = textWidth(labelOf(node, nodes)) + 50 + (WITHOUT_INPUT.has(node.type) ? 0 : 7);
  return Math.max(NODE_WIDTH, 20 * Math.ceil(needed / 20));
}

function heightOf(node: FlowNode): number {
  return Math.max(NODE_HEIGHT, 15 * outputsOf(node));
}

/** Returns the place of a node, with the button beside it. */
function boxOf(node: FlowNode, nodes: readonly FlowNode[]): Box {
  const [x, y] = [Number(node['x']), Number(node['y'])];
  const [width, height] = [widthOf(node, nodes), heightOf(node)];
  return {
    left: x - width / 2 - (node.type === 'inject' ? BUTTON : 0),
    right: x + width / 2 + (node.type === 'debug' ? BUTTON : 0),
    top: y - height / 2,
    bottom: y + height / 2,
  };
}

/** Returns the rectangle that the editor draws around the nodes of a group. */
function groupBox(members: readonly FlowNode[], nodes: readonly FlowNode[]): Box {
  const boxes = members.map((node) => boxOf(node, nodes));
  return {
    left: Math.min(...boxes.map(({ left }) => left)) - GROUP_MARGIN,
    top: Math.min(...boxes.map(({ top }) => top)) - GROUP_MARGIN,
    right: Math.max(...boxes.map(({ right }) => right)) + GROUP_MARGIN,
    bottom: Math.max(...boxes.map(({ bottom }) => bottom)) + GROUP_MARGIN,
  };
}

/** True for a node that is drawn without its name: a link node, unless it says otherwise. */
function hidesName({ type, l }: FlowNode): boolean {
  return l === undefined ? type === 'link in' || type === 'link out' : l !== true;
}

function overlap(one: Box, other: Box): boolean {
  return one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;
}

/** A tab with what is drawn on it. */
interface Tab {
  nodes: FlowNode[];
  /** What is drawn, without groups. */
  drawn: FlowNode[];
  groups: Array<{ group: FlowNode; members: FlowNode[]; box: Box }>;
  byId: ReadonlyMap<string, FlowNode>;
}

function tabOf(nodes: FlowNode[]): Tab {
  const tabs = new Set(nodes.filter(({ type }) => type === 'tab').map(({ id }) => id));
  const onTab = nodes.filter(({ z }) => tabs.has(String(z)));
  const drawn = onTab.filter(({ type, x }) => type !== 'group' && x !== undefined);
  const groups = onTab
    .filter(({ type }) => type === 'group')
    .map((group) => {
      const members = drawn.filter(({ g }) => g === group.id);
      return { group, members, box: groupBox(members, nodes) };
    })
    .toSorted((one, other) => one.box.top - other.box.top);
  return { nodes, drawn, groups, byId: new Map(drawn.map((node) => [node.id, node])) };
}

/** A wire: its ends, and the number of its output. */
interface Wire {
  from: FlowNode;
  output: number;
  to: FlowNode;
}

function wiresOf({ drawn, byId }: Tab): Wire[] {
  return drawn.flatMap((from) =>
    ((from['wires'] ?? []) as string[][]).flatMap((targets, output) =>
      targets.flatMap((id) => {
        const to = byId.get(id);
        return to ? [{ from, output, to }] : [];
      }),
    ),
  );
}

/** Returns points on a wire that leads to the right, as the editor draws it (generateLinkPath in red.js). */
function pointsOf({ from, output, to }: Wire, nodes: readonly FlowNode[]): Array<[number, number]> {
  const startX = Number(from['x']) + widthOf(from, nodes) / 2;
  const startY = Number(from['y']) + 13 * (output - (outputsOf(from) - 1) / 2);
  const endX = Number(to['x']) - widthOf(to, nodes) / 2;
  const endY = Number(to['y']);
  const distance = Math.hypot(endX - startX, endY - startY);
  const bend = 0.75 * NODE_WIDTH * Math.min(1, distance / NODE_WIDTH);
  return Array.from({ length: 101 }, (_, step) => {
    const t = step / 100;
    const [a, b, c, d] = [(1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t ** 2, t ** 3];
    return [a * startX + b * (startX + bend) + c * (endX - bend) + d * endX, (a + b) * startY + (c + d) * endY];
  });
}

const nameOf = (node: FlowNode): string => `“${textOf(node, 'name') || node.type}” (${node.id})`;

/** Returns what breaks the rules in the flows of one example. */
function layoutFindings(nodes: FlowNode[]): Finding[] {
  const tab = tabOf(nodes);
  return [
    ...wireFindings(tab),
    ...overlapFindings(tab),
    ...groupFindings(tab),
    ...textFindings(tab),
    ...footFindings(tab),
    ...settingFindings(nodes),
  ];
}

function wireFindings(tab: Tab): Finding[] {
  return wiresOf(tab).flatMap((wire): Finding[] => {
    const { from, to } = wire;
    const text = `${nameOf(from)} to ${nameOf(to)}`;
    if (Number(to['x']) <= Number(from['x'])) return [{ rule: 'backwards', text }];
    if (from['g'] !== to['g']) return [{ rule: 'between', text }];
    const points = pointsOf(wire, tab.nodes);
    return tab.drawn
      .filter((node) => node !== from && node !== to)
      .filter((node) => {
        const box = boxOf(node, tab.nodes);
        return points.some(([x, y]) => x > box.left && x < box.right && y > box.top && y < box.bottom);
      })
      .map((node) => ({ rule: 'crossing', text: `${text} crosses ${nameOf(node)}` }));
  });
}

function overlapFindings({ drawn, groups, nodes }: Tab): Finding[] {
  const things = [
    ...drawn.map((node) => ({ name: nameOf(node), box: boxOf(node, nodes), isGroup: false })),
    ...groups.map(({ group, box }) => ({ name: nameOf(group), box, isGroup: true })),
  ];
  return [
    ...things.flatMap((one, index) =>
      things
        .slice(index + 1)
        .filter((other) => one.isGroup === other.isGroup && overlap(one.box, other.box))
        .map((other): Finding => ({ rule: 'overlap', text: `${one.name} overlaps ${other.name}` })),
    ),
    ...drawn
      .filter(({ g }) => !groups.some(({ group }) => group.id === g))
      .map((node): Finding => ({ rule: 'overlap', text: `${nameOf(node)} is in no group` })),
  ];
}

function groupFindings({ groups }: Tab): Finding[] {
  const [first] = groups;
  if (first === undefined) return [{ rule: 'groups', text: 'there is no group' }];
  const findings: Finding[] = [];
  for (const { group, members, box } of groups) {
    const width = box.right - box.left;
    if (box.left !== first.box.left || width !== first.box.right - first.box.left) {
      findings.push({ rule: 'groups', text: `${nameOf(group)} is drawn at ${box.left}, ${width} wide` });
    }
    if (box.left < 0 || box.right > RIGHT_EDGE) {
      findings.push({ rule: 'groups', text: `${nameOf(group)} is drawn from ${box.left} to ${box.right}` });
    }
    const saved = [group['x'], group['y'], group['w'], group['h']];
    const drawn = [box.left, box.top, width, box.bottom - box.top];
    if (saved.some((value, index) => value !== drawn[index])) {
      findings.push({
        rule: 'groups',
        text: `${nameOf(group)} is ${saved.join(', ')} in the file, drawn ${drawn.join(', ')}`,
      });
    }
    const comments = members.filter(({ type }) => type === 'comment');
    const top = Math.min(...members.filter(({ type }) => type !== 'comment').map((node) => boxOf(node, members).top));
    const isSaid = comments.every((node) => Number(node['y']) < top && textOf(node, 'info').length >= 40);
    if (comments.length !== 1 || !isSaid) findings.push({ rule: 'comment', text: nameOf(group) });
    for (const node of members) {
      const row = members.filter(({ y }) => Math.abs(Number(y) - Number(node['y'])) < NODE_HEIGHT / 2);
      if (row.length > MAX_IN_ROW && row[0] === node) {
        findings.push({ rule: 'row', text: `${row.length} from ${nameOf(node)}` });
      }
    }
  }
  return findings;
}

function textFindings({ drawn }: Tab): Finding[] {
  return drawn.flatMap((node): Finding[] => {
    if (textOf(node, 'name').trim() === '' || hidesName(node)) {
      return [{ rule: 'labels', text: `${nameOf(node)} shows no name` }];
    }
    // The nodes of this package name their outputs themselves.
    if (node.type.startsWith('mesh-') || outputsOf(node) < 2) return [];
    const labels = (node['outputLabels'] ?? []) as string[];
    const isLabelled = labels.length === outputsOf(node) && labels.every((label) => label.trim() !== '');
    return isLabelled ? [] : [{ rule: 'labels', text: `${nameOf(node)} has outputs without a label` }];
  });
}

function footFindings({ drawn, groups, byId }: Tab): Finding[] {
  const foot = groups.at(-1);
  const catches = drawn.filter(({ type }) => type === 'catch');
  const findings: Finding[] = catches
    .filter(({ g }) => g !== foot?.group.id)
    .map((node) => ({ rule: 'foot', text: `${nameOf(node)} is not in the last group` }));
  if (catches.length === 0) findings.push({ rule: 'foot', text: 'there is no Catch node' });
  if (!/errors|tests/i.test(String(foot?.group['name']))) {
    findings.push({ rule: 'foot', text: `the last group is “${String(foot?.group['name'])}”` });
  }
  for (const node of catches) {
    for (const id of (node['wires'] as string[][]).flat()) {
      const target = byId.get(id);
      if (target?.type === 'debug' && target['complete'] !== 'error.message') {
        findings.push({ rule: 'errors', text: nameOf(target) });
      }
    }
  }
  return findings;
}

function settingFindings(nodes: FlowNode[]): Finding[] {
  const text = JSON.stringify(nodes);
  const findings: Finding[] = text.includes('1880') ? [{ rule: 'port', text: 'the flow names port 1880' }] : [];
  const set = valuesOf(nodes);
  // A subflow declares its own variables.
  const subflows = new Set(nodes.filter(({ type }) => type === 'subflow').map(({ id }) => id));
  const used = nodes
    .filter(({ type, z }) => !['tab', 'subflow', 'comment'].includes(type) && !subflows.has(String(z)))
    .flatMap((node) =>
      Array.from(JSON.stringify(node).matchAll(/\$\{(\w+)\}|\$env\(\\"(\w+)\\"\)|"v":"(\w+)","vt":"env"/g)),
    )
    .flatMap((match) => match.slice(1).filter((name) => name !== undefined));
  for (const name of new Set(used)) {
    if (!set.get(name)) findings.push({ rule: 'variables', text: `${name} has no value on the tab` });
  }
  return findings;
}

/** Returns the values of a tab's variables; of one that a variable of the machine may replace, its own default. */
function valuesOf(nodes: FlowNode[]): Map<string, string> {
  const env = (nodes.find(({ type }) => type === 'tab')?.['env'] ?? []) as Array<
    Record<'name' | 'value' | 'type', string>
  >;
  return new Map(
    env.map(({ name, value, type }) => {
      if (type === 'env') return [name, ''];
      return [name, type === 'jsonata' ? (/: "([^"]+)"$/.exec(value)?.[1] ?? '') : value];
    }),
  );
}

/** Returns the ids of the mailboxes of an example. */
function mailboxesOf(nodes: FlowNode[]): string[] {
  const values = valuesOf(nodes);
  return nodes
    .filter(({ type }) => type === 'mesh-config')
    .map(({ mailboxId }) =>
      String(mailboxId).replace(/^\$\{(\w+)\}$/, (whole, name: string) => values.get(name) ?? whole),
    );
}

/** Returns the ids of the form of our mailboxes that the flows name, in settings, texts and payloads. */
function namedMailboxes(nodes: FlowNode[]): string[] {
  return [...new Set(JSON.stringify(nodes).match(/\bX26ABC\d+\b/g))];
}

/** Returns the findings of every example by its name; the two subflows have no tab, and no layout. */
export function allFindings(): Map<string, Finding[]> {
  const names = examples().flatMap(({ name }) => (name.startsWith('subflow-') ? [] : [name]));
  const users = new Map<string, string[]>();
  for (const name of names) {
    for (const mailboxId of mailboxesOf(exampleFlows(name))) {
      users.set(mailboxId, [...(users.get(mailboxId) ?? []), name]);
    }
  }
  return new Map(
    names.map((name) => {
      const shared = mailboxesOf(exampleFlows(name)).filter((id) => (users.get(id)?.length ?? 0) > 1);
      const own = mailboxesOf(exampleFlows(name));
      const foreign = namedMailboxes(exampleFlows(name)).filter((id) => !own.includes(id));
      const findings = [
        ...shared.map((id): Finding => ({ rule: 'mailboxes', text: `${id}: ${users.get(id)?.join(', ')}` })),
        ...foreign.map((id): Finding => ({ rule: 'mailboxes', text: `${id} is none of its own` })),
      ];
      return [name, [...layoutFindings(exampleFlows(name)), ...findings]];
    }),
  );
}

if (require.main === module) {
  const wanted = process.argv.slice(2);
  for (const [name, findings] of allFindings()) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    process.stdout.write(`${name}: ${findings.length}\n`);
    for (const { rule, text } of findings) process.stdout.write(`  ${rule}: ${text}\n`);
  }
}
