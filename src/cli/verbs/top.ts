/** `kedge top`: what nodes and pods use, as metrics.k8s.io tells it. */
import type { Node } from '#api/generated/schema.ts';
import { parseLabelSelector } from '#api/machinery/label-selector.ts';
import { quantityMilliValue, quantityValue } from '#api/machinery/quantity.ts';
import { StatusError } from '#api/machinery/status.ts';
import { aligned, TABLE_TABS } from './output/tabs.ts';
import { pathOf } from './served-resources.ts';
import { ALL_NAMESPACES_FLAG, FIELD_SELECTOR_FLAG, SELECTOR_FLAGS } from './targets.ts';
import type { Verb, VerbCall } from './verb.ts';
import { unexpected, VerbError } from './verb-error.ts';

const METRICS = '/apis/metrics.k8s.io/v1beta1';
const MIB = 1024 * 1024;

interface Usage {
  cpu: string;
  memory: string;
}
interface Measured {
  metadata: { name: string; namespace?: string };
}
type NodeMetrics = Measured & { usage: Usage };
type PodMetrics = Measured & { containers: { name: string; usage: Usage }[] };

const COMMON = [
  ...SELECTOR_FLAGS,
  { name: 'no-headers', type: 'bool', summary: 'the table without its first line' },
  { name: 'sort-by', type: 'string', summary: 'cpu or memory' },
] as const;

const topNodeVerb: Verb = {
  name: 'node',
  aliases: ['nodes', 'no'],
  summary: 'what nodes use',
  usage: '[NAME | -l label]',
  flags: [...COMMON, { name: 'show-capacity', type: 'bool', summary: 'of what there is, not of what pods may have' }],
  async run(call) {
    const { flags, cluster } = call;
    const measured = await measuredOf<NodeMetrics>(call, `${METRICS}/nodes`);
    if (measured.length === 0) throw new VerbError('metrics not available yet');
    const resource = (await cluster.resources()).named('nodes');
    const nodes = (await cluster.get<{ items: Node[] }>(pathOf(resource, {}))).items;
    const field = flags.bool('show-capacity') ? 'capacity' : 'allocatable';
    const rows = sorted(
      measured.map((one) => ({ ...one, ...amountsOf([one.usage]) })),
      flags.string('sort-by'),
    ).map(({ metadata: { name }, cpu, memory }) => {
      const total = nodes.find(({ metadata }) => metadata.name === name)?.status?.[field];
      return [
        name,
        `${cpu}m`,
        shareOf(cpu, quantityMilliValue(total?.['cpu'])),
        mebibytes(memory),
        shareOf(memory, quantityValue(total?.['memory'])),
      ];
    });
    print(call, ['NAME', 'CPU(cores)', 'CPU(%)', 'MEMORY(bytes)', 'MEMORY(%)'], rows);
  },
};

const topPodVerb: Verb = {
  name: 'pod',
  aliases: ['pods', 'po'],
  summary: 'what pods use',
  usage: '[NAME | -l label]',
  flags: [
    ...COMMON,
    FIELD_SELECTOR_FLAG,
    ALL_NAMESPACES_FLAG,
    { name: 'containers', type: 'bool', summary: 'what each container uses' },
    { name: 'sum', type: 'bool', summary: 'a last line with the sum' },
  ],
  async run(call) {
    const { flags, cluster, io } = call;
    const isAll = flags.bool('all-namespaces');
    const place = isAll ? '' : `/namespaces/${encodeURIComponent(cluster.namespace)}`;
    const measured = await measuredOf<PodMetrics>(call, `${METRICS}${place}/pods`);
    if (measured.length === 0) {
      io.err(isAll ? 'No resources found\n' : `No resources found in ${cluster.namespace} namespace.\n`);
      return;
    }
    const each = measured.map((one) => ({ ...one, ...amountsOf(one.containers.map(({ usage }) => usage)) }));
    const perContainer = flags.bool('containers');
    const rows = sorted(each, flags.string('sort-by')).flatMap(({ metadata, containers, cpu, memory }) => {
      const head = [...(isAll ? [metadata.namespace ?? ''] : []), metadata.name];
      if (!perContainer) return [[...head, `${cpu}m`, mebibytes(memory)]];
      return containers.map(({ name, usage }) => {
        const own = amountsOf([usage]);
        return [...head, name, `${own.cpu}m`, mebibytes(own.memory)];
      });
    });
    const header = [...(isAll ? ['NAMESPACE'] : []), perContainer ? 'POD' : 'NAME', ...(perContainer ? ['NAME'] : [])];
    const sum = (field: 'cpu' | 'memory') => each.reduce((total, one) => total + one[field], 0);
    const blanks = header.map(() => '');
    const last = flags.bool('sum')
      ? [
          [...blanks, '________', '________'],
          [...blanks, `${sum('cpu')}m`, mebibytes(sum('memory'))],
        ]
      : [];
    print(call, [...header, 'CPU(cores)', 'MEMORY(bytes)'], [...rows, ...last]);
  },
};

async function measuredOf<T extends Measured>(call: VerbCall, path: string): Promise<T[]> {
  const { args, flags, cluster } = call;
  if (args.length > 1) throw unexpected(`${call.path.split(' ').at(-1)} [NAME | -l label]`, call.path);
  refuseBadSelector(flags.string('selector'));
  if (args.length > 0 && flags.has('selector')) throw new VerbError('only one of NAME or selector can be provided');
  const sortBy = flags.string('sort-by');
  if (sortBy && sortBy !== 'cpu' && sortBy !== 'memory') throw new VerbError('--sort-by accepts only cpu or memory');
  const query = new URLSearchParams(flags.has('selector') ? { labelSelector: flags.string('selector') } : {});
  try {
    if (args[0]) return [await cluster.get<T>(`${path}/${encodeURIComponent(args[0])}`)];
    const at = query.size > 0 ? `${path}?${query}` : path;
    return (await cluster.get<{ items?: T[] }>(at)).items ?? [];
  } catch (error) {
    const isAbsent = error instanceof StatusError && error.code === 404 && !error.details?.name;
    if (isAbsent) throw new VerbError('Metrics API not available');
    throw error;
  }
}

/** The server would refuse it in the same words, as its own error. */
function refuseBadSelector(selector: string): void {
  const parsed = parseLabelSelector(selector);
  if (!parsed.ok) throw new VerbError(parsed.error);
}

const amountsOf = (usages: readonly Usage[]): { cpu: number; memory: number } => ({
  cpu: usages.reduce((sum, { cpu }) => sum + quantityMilliValue(cpu), 0),
  memory: usages.reduce((sum, { memory }) => sum + quantityValue(memory), 0),
});

const mebibytes = (bytes: number): string => `${Math.trunc(bytes / MIB)}Mi`;

const shareOf = (used: number, total: number): string =>
  total > 0 ? `${Math.trunc((used / total) * 100)}%` : '<unknown>';

/** Most first; by name unless told. */
function sorted<T extends Measured & { cpu: number; memory: number }>(measured: readonly T[], by: string): T[] {
  const nameOf = ({ metadata: { namespace = '', name } }: T) => `${namespace}/${name}`;
  return [...measured].sort((a, b) =>
    by === 'cpu' || by === 'memory' ? b[by] - a[by] : nameOf(a) < nameOf(b) ? -1 : 1,
  );
}

function print({ flags, io }: VerbCall, header: readonly string[], rows: readonly (readonly string[])[]): void {
  const all = flags.bool('no-headers') ? rows : [header, ...rows];
  io.out(aligned(all.map((cells) => `${cells.join('\t')}\t\n`).join(''), TABLE_TABS));
}

export const topVerb: Verb = {
  name: 'top',
  summary: 'tell what nodes and pods use',
  verbs: [topNodeVerb, topPodVerb],
};
