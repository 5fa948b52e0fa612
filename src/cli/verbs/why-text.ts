/** The scheduler's reasons for people: nodes that say the same are told once. */
import type { Complaint, NodeExplanation, SchedulingExplanation } from '#api/kedge/v1alpha1/scheduling-explanation.ts';

/** So many names of a group are told. */
const MOST_NAMES = 3;
/** So many of the nodes that fit are told with their scores. */
const MOST_SCORED = 5;

export function whyText(why: SchedulingExplanation): string {
  const lines = [head(why)];
  if (why.message) lines.push(`  it says: ${why.message}`);
  if (why.nominatedNodeName) lines.push(`  room is being made for it on ${why.nominatedNodeName}`);
  if (why.general) lines.push('', 'Before any node was looked at:', ...complaintLines(why.general));
  const feasible = why.nodes.filter(({ complaints }) => complaints.length === 0);
  const refusing = why.nodes.filter(({ complaints }) => complaints.length > 0);
  if (feasible.length > 0) lines.push('', ...scored(feasible, why));
  if (refusing.length > 0) lines.push('', ...refused(refusing, feasible.length > 0));
  const change = feasible.length === 0 ? smallestChange(why) : undefined;
  if (change) lines.push('', `Smallest change: ${change}`);
  return `${lines.join('\n')}\n`;
}

function head({ pod, state, nodeName, schedulerName }: SchedulingExplanation): string {
  const name = `pod ${pod.namespace}/${pod.name}`;
  switch (state) {
    case 'placed':
      return `${name} is on node ${nodeName}.`;
    case 'gated':
      return `${name} may not be scheduled yet.`;
    case 'elsewhere':
      return `${name} waits for scheduler ${schedulerName}, which is not this one.`;
    default:
      return `${name} has no node.`;
  }
}

const complaintLines = ({ plugin, reasons, changes }: Complaint): string[] => [
  `  ${plugin ? `${plugin}: ` : ''}${reasons.join(', ')}`,
  ...(changes.length > 0 ? [`    → ${changes.join('; ')}`] : []),
];

/** The best first; a pod's own node is always among them. */
function scored(nodes: readonly NodeExplanation[], { nodeName }: SchedulingExplanation): string[] {
  const shown = nodes.filter(({ name }, index) => index < MOST_SCORED || name === nodeName);
  const plugins = [...new Set(shown.flatMap(({ scores }) => scores.map(({ plugin }) => plugin)))];
  const title = nodeName ? 'Nodes that it fits now, as if it had none' : 'Nodes that it fits';
  const rows = shown.map(({ name, total, scores }) => [
    `${name === nodeName ? '*' : ' '} ${name}`,
    String(total),
    ...plugins.map((plugin) => {
      const given = scores.find((each) => each.plugin === plugin);
      return given ? (given.weight === 1 ? String(given.score) : `${given.score}×${given.weight}`) : '-';
    }),
  ]);
  const more = nodes.length - shown.length;
  return [
    `${title} (${nodes.length}):`,
    ...table([['  NODE', 'TOTAL', ...plugins.map((plugin) => plugin.toUpperCase())], ...rows]),
    ...(more > 0 ? [`  … and ${more} more`] : []),
  ];
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('   ')
      .trimEnd(),
  );
}

function refused(nodes: readonly NodeExplanation[], areOthers: boolean): string[] {
  const groups = new Map<string, NodeExplanation[]>();
  for (const node of nodes) {
    const key = JSON.stringify(node.complaints.map(({ plugin, reasons, changes }) => [plugin, reasons, changes]));
    groups.set(key, [...(groups.get(key) ?? []), node]);
  }
  const sorted = [...groups.values()].sort((a, b) => b.length - a.length);
  return [
    `${areOthers ? 'Nodes that it does not fit' : 'It fits no node'} (${nodes.length}):`,
    ...sorted.flatMap((group) => [
      `  ${namesOf(group)}`,
      ...(group[0]?.complaints ?? []).flatMap(complaintLines).map((line) => `  ${line}`),
    ]),
  ];
}

function namesOf(nodes: readonly NodeExplanation[]): string {
  const names = nodes.slice(0, MOST_NAMES).map(({ name }) => name);
  const more = nodes.length - names.length;
  return more > 0 ? `${names.join(', ')} and ${more} more` : names.join(', ');
}

/** Of the node that the fewest changes are needed for. Where one reason has no known change, the node is no candidate. */
export function smallestChange({ general, nodes }: SchedulingExplanation): string | undefined {
  if (general) return general.changes.length > 0 ? general.changes.join(' and ') : undefined;
  const candidates = nodes
    .filter(({ complaints }) => complaints.length > 0 && complaints.every(({ changes }) => changes.length > 0))
    .map(({ name, complaints }) => ({ name, changes: complaints.flatMap(({ changes }) => changes) }))
    .sort((a, b) => a.changes.length - b.changes.length || (a.name < b.name ? -1 : 1));
  const [best] = candidates;
  return best && `${best.changes.join(' and ')} (node ${best.name})`;
}
