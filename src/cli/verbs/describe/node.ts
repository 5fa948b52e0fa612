/** A node: what it is, what it offers, and what is taken. */

import { podLimits, podRequests } from '#api/core/v1/pod-resources.ts';
import type { Lease, Node, Pod } from '#api/generated/schema.ts';
import { humanSince } from '#api/machinery/duration.ts';
import { addQuantities, quantityMilliValue, quantityValue } from '#api/machinery/quantity.ts';
import { isNotFound } from '../fetched-target.ts';
import { type DescribeContext, type Describer, fetched, listed } from './describer.ts';
import { printEvents } from './events.ts';
import { formatTime, orNone, type Report, sortedEntries } from './report.ts';

export const nodeDescriber: Describer<Node> = {
  kind: 'Node',
  async describe(report, node, context) {
    const { metadata, spec = {}, status = {} } = node;
    report.field('Name', metadata.name);
    report.field('Roles', orNone(rolesOf(node).join(',')));
    report.labels('Labels', metadata.labels);
    report.annotations('Annotations', metadata.annotations);
    report.field('CreationTimestamp', formatTime(metadata.creationTimestamp));
    const taints = (spec.taints ?? []).map(({ key, value, effect }) => ({
      effect,
      text: `${key}${value ? `=${value}` : ''}:${effect}`,
    }));
    report.values(
      'Taints',
      taints.sort((a, b) => (`${a.effect},${a.text}` < `${b.effect},${b.text}` ? -1 : 1)).map(({ text }) => text),
    );
    report.field('Unschedulable', spec.unschedulable ?? false);
    await describeLease(report, metadata.name, context);
    describeConditions(report, node);
    report.line(0, 'Addresses:');
    for (const { type, address } of status.addresses ?? []) report.field(type, address, 1);
    for (const [title, amounts] of [
      ['Capacity', status.capacity],
      ['Allocatable', status.allocatable],
    ] as const) {
      if (Object.keys(amounts ?? {}).length > 0) report.line(0, `${title}:`);
      for (const [name, amount] of sortedEntries(amounts)) report.field(`  ${name}`, amount);
    }
    describeSystem(report, node);
    await describePods(report, node, context);
    if (!context.events) return;
    // The kubelet's own events name the node by its name where others have the UID.
    const found = [await context.events(node), await context.events(node, { uid: metadata.name })].flat();
    printEvents(report, found, context.nowMs);
  },
};

const ROLE = 'node-role.kubernetes.io/';

function rolesOf({ metadata }: Node): string[] {
  const labels = Object.entries(metadata.labels ?? {});
  const roles = labels.flatMap(([key, value]) => {
    if (key.startsWith(ROLE) && key !== ROLE) return [key.slice(ROLE.length)];
    return key === 'kubernetes.io/role' && value ? [value] : [];
  });
  return [...new Set(roles)].sort();
}

async function describeLease(report: Report, name: string, context: DescribeContext): Promise<void> {
  try {
    const { spec } = await fetched<Lease>(context, 'leases.coordination.k8s.io', {
      namespace: 'kube-node-lease',
      name,
    });
    report.line(0, 'Lease:');
    report.field('HolderIdentity', spec?.holderIdentity ?? '<unset>', 1);
    report.field('AcquireTime', spec?.acquireTime ? formatTime(spec.acquireTime) : '<unset>', 1);
    report.field('RenewTime', spec?.renewTime ? formatTime(spec.renewTime) : '<unset>', 1);
  } catch (error) {
    if (!isNotFound(error)) throw error;
    report.field('Lease', `Failed to get lease: ${(error as Error).message}`);
  }
}

function describeConditions(report: Report, { status }: Node): void {
  if (!status?.conditions?.length) return;
  const headers = ['Type', 'Status', 'LastHeartbeatTime', 'LastTransitionTime', 'Reason', 'Message'];
  const rows = status.conditions.map(
    ({ type, status: is, lastHeartbeatTime, lastTransitionTime, reason = '', message = '' }) => [
      `${type} `,
      `${is} `,
      `${formatTime(lastHeartbeatTime)} `,
      `${formatTime(lastTransitionTime)} `,
      `${reason} `,
      message,
    ],
  );
  report.table('Conditions', headers, rows);
}

function describeSystem(report: Report, { spec = {}, status = {} }: Node): void {
  const info = status.nodeInfo;
  report.line(0, 'System Info:');
  report.field('  Machine ID', info?.machineID ?? '');
  report.field('  System UUID', info?.systemUUID ?? '');
  report.field('  Boot ID', info?.bootID ?? '');
  report.field('  Kernel Version', info?.kernelVersion ?? '');
  report.field('  OS Image', info?.osImage ?? '');
  report.field('  Operating System', info?.operatingSystem ?? '');
  report.field('  Architecture', info?.architecture ?? '');
  report.field('  Container Runtime Version', info?.containerRuntimeVersion ?? '');
  report.field('  Kubelet Version', info?.kubeletVersion ?? '');
  report.fieldIf('PodCIDR', spec.podCIDR);
  report.fieldIf('PodCIDRs', (spec.podCIDRs ?? []).join(','));
  report.fieldIf('ProviderID', spec.providerID);
}

type Amounts = Readonly<Record<string, string>>;

async function describePods(report: Report, { metadata, status = {} }: Node, context: DescribeContext): Promise<void> {
  const fieldSelector = `spec.nodeName=${metadata.name},status.phase!=Succeeded,status.phase!=Failed`;
  const pods = await listed<Pod>(context, 'pods', { fieldSelector });
  const allocatable = (status.allocatable ?? status.capacity ?? {}) as Amounts;
  const share = (name: string, amount: string) => `${amount} (${percentOf(name, amount, allocatable)}%)`;
  report.field('Non-terminated Pods', `(${pods.length} in total)`);
  report.line(1, 'Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge');
  report.line(1, '---------\t----\t\t------------\t----------\t---------------\t-------------\t---');
  const all = pods.map((pod) => ({ pod, requests: podRequests(pod.spec), limits: podLimits(pod.spec) }));
  for (const { pod, requests, limits } of all) {
    const cells = [
      share('cpu', requests['cpu'] ?? '0'),
      share('cpu', limits['cpu'] ?? '0'),
      share('memory', requests['memory'] ?? '0'),
      share('memory', limits['memory'] ?? '0'),
    ];
    const { namespace, name, creationTimestamp } = pod.metadata;
    report.line(1, `${namespace}\t${name}\t\t${cells.join('\t')}\t${humanSince(creationTimestamp, context.nowMs)}`);
  }
  const total = (of: 'requests' | 'limits', name: string) => addQuantities(...all.map((each) => each[of][name]));
  report.line(0, 'Allocated resources:\n  (Total limits may be over 100 percent, i.e., overcommitted.)');
  report.line(1, 'Resource\tRequests\tLimits');
  report.line(1, '--------\t--------\t------');
  const names = Object.keys(allocatable).sort();
  const huge = names.filter((name) => name.startsWith('hugepages-'));
  for (const name of ['cpu', 'memory', 'ephemeral-storage', ...huge])
    report.line(1, `${name}\t${share(name, total('requests', name))}\t${share(name, total('limits', name))}`);
  for (const name of names.filter((each) => !huge.includes(each) && !STANDARD.includes(each)))
    report.line(1, `${name}\t${total('requests', name)}\t${total('limits', name)}`);
}

const STANDARD = ['cpu', 'memory', 'ephemeral-storage', 'pods'];

function percentOf(name: string, amount: string, allocatable: Amounts): number {
  const amountIn = name === 'cpu' ? quantityMilliValue : quantityValue;
  const all = amountIn(allocatable[name]);
  return all === 0 ? 0 : Math.trunc((amountIn(amount) / all) * 100);
}
