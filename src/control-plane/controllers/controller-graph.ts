/** Which controller reads and writes what, from the declarations: as data, as a drawing (Mermaid) and as a page. */
import type { Kind } from '#api/machinery/kind.ts';
import type { Controller, KindController } from './define-controller.ts';

type Written = keyof NonNullable<KindController['spec']['writes']>;
export type Relation = 'reconciles' | 'owns' | 'watches' | Written;

export interface GraphEdge {
  controller: string;
  relation: Relation;
  /** `Deployment.apps`; `*` for any kind. */
  kind: string;
}

const nameOf = ({ kind, group }: Kind): string => (group ? `${kind}.${group}` : kind);

/** In the order of the declarations. */
export function graphOf(controllers: readonly Controller[]): GraphEdge[] {
  return controllers.flatMap((controller): GraphEdge[] => {
    if (controller.form === 'any kind') return [{ controller: controller.name, relation: 'reconciles', kind: '*' }];
    const { name, spec } = controller;
    const edge = (relation: Relation) => (kind: Kind) => ({ controller: name, relation, kind: nameOf(kind) });
    const written = Object.entries(spec.writes ?? {}) as [Written, readonly Kind[]][];
    return [
      edge('reconciles')(spec.reconciles),
      ...(spec.owns ?? []).map(edge('owns')),
      ...(spec.watches ?? []).map(({ kind }) => edge('watches')(kind)),
      ...written.flatMap(([relation, kinds]) => kinds.map(edge(relation))),
    ];
  });
}

const WRITES: readonly Relation[] = ['create', 'update', 'patch', 'delete', 'status', 'approval'];
const READS = new Set<Relation>(['reconciles', 'owns', 'watches']);

/** What leads to a controller it reads, what leads from it it writes; thick is what it is for. */
export function mermaidOf(edges: readonly GraphEdge[]): string {
  const kinds = [...new Set(edges.map(({ kind }) => kind))].sort();
  const controllers = [...new Set(edges.map(({ controller }) => controller))];
  const kindId = (kind: string) => `k${kinds.indexOf(kind)}`;
  const controllerId = (name: string) => `c${controllers.indexOf(name)}`;
  const arrows = new Map<string, Set<Relation>>();
  for (const { controller, relation, kind } of edges) {
    const isRead = READS.has(relation);
    const arrow = relation === 'reconciles' ? '==>' : isRead ? '-.->' : '-->';
    const [from, to] = isRead ? [kindId(kind), controllerId(controller)] : [controllerId(controller), kindId(kind)];
    const key = `${from} ${arrow} ${to}`;
    arrows.set(key, (arrows.get(key) ?? new Set()).add(relation));
  }
  return [
    'flowchart LR',
    ...kinds.map((kind) => `  ${kindId(kind)}(["${kind === '*' ? 'any kind' : kind}"])`),
    ...controllers.map((name) => `  ${controllerId(name)}["${name}"]`),
    ...[...arrows].map(([key, relations]) => {
      const [from, arrow, to] = key.split(' ');
      const label = arrow === '-->' ? `|${[...relations].join(', ')}|` : '';
      return `  ${from} ${arrow}${label} ${to}`;
    }),
  ].join('\n');
}

/** A table of all of them, and a drawing for each group of the API that is reconciled. */
export function pageOf(controllers: readonly Controller[]): string {
  const edges = graphOf(controllers);
  const names = [...new Set(edges.map(({ controller }) => controller))];
  const of = (controller: string, ...relations: Relation[]) => {
    const found = edges.filter((edge) => edge.controller === controller && relations.includes(edge.relation));
    return [...new Set(found.map(({ kind }) => (kind === '*' ? 'any kind' : kind)))].join(', ');
  };
  const written = (controller: string) =>
    WRITES.flatMap((relation) => {
      const kinds = of(controller, relation);
      return kinds ? [`${relation}: ${kinds}`] : [];
    }).join('; ');
  const rows = names.map(
    (name) => `| \`${name}\` | ${of(name, 'reconciles')} | ${of(name, 'owns', 'watches')} | ${written(name)} |`,
  );
  const groupOf = (name: string) => {
    const reconciled = edges.find(({ controller, relation }) => controller === name && relation === 'reconciles');
    const kind = reconciled?.kind ?? '*';
    return kind === '*' ? 'any kind' : kind.includes('.') ? kind.slice(kind.indexOf('.') + 1) : 'core';
  };
  const groups = [...new Set(names.map(groupOf))].sort();
  const drawings = groups.map((group) => {
    const own = edges.filter(({ controller }) => groupOf(controller) === group);
    return `## ${group}\n\n\`\`\`mermaid\n${mermaidOf(own)}\n\`\`\``;
  });
  return [
    '# Which controller reads and writes what',
    '',
    'Drawn from the declarations by `npm run graph`; do not edit. A thick arrow is what a controller reconciles, a dotted one',
    'what it watches too, a plain one what it writes. A running cluster tells the same of itself: `kubectl get --raw',
    '/debug/controllers/graph`.',
    '',
    '| Controller | Reconciles | Watches, owns | Writes |',
    '|---|---|---|---|',
    ...rows,
    '',
    drawings.join('\n\n'),
    '',
  ].join('\n');
}
