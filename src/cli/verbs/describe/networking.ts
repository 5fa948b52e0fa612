/** What may speak with what, and which names and addresses there are for it. */
import type {
  IngressClass,
  IPAddress,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  ServiceCIDR,
} from '#api/generated/schema.ts';
import { formatLabelSelector } from '#api/machinery/label-selector.ts';
import type { Describer } from './describer.ts';
import { describeEvents } from './events.ts';
import { formatGoTime, formatTime, type Report } from './report.ts';

export const networkPolicyDescriber: Describer<NetworkPolicy> = {
  kind: 'NetworkPolicy.networking.k8s.io',
  describe(report, { metadata, spec }) {
    report.field('Name', metadata.name);
    report.field('Namespace', metadata.namespace);
    report.field('Created on', formatGoTime(metadata.creationTimestamp));
    report.labels('Labels', metadata.labels);
    report.annotations('Annotations', metadata.annotations);
    const { podSelector = {}, ingress = [], egress = [], policyTypes = [] } = spec ?? {};
    const { matchLabels = {}, matchExpressions = [] } = podSelector;
    const isEverybody = Object.keys(matchLabels).length === 0 && matchExpressions.length === 0;
    report.line(0, 'Spec:');
    // The space in front of the selector is kubectl's.
    const selected = isEverybody
      ? '<none> (Allowing the specific traffic to all pods in this namespace)'
      : formatLabelSelector(podSelector);
    report.line(1, `PodSelector:     ${selected}`);
    if (policyTypes.includes('Ingress')) {
      report.line(1, 'Allowing ingress traffic:');
      const rules = ingress.map(({ ports = [], from = [] }) => ({ ports, peers: from }));
      describeRules(report, rules, { side: 'From', what: 'ingress', end: 'source' });
    } else report.line(1, 'Not affecting ingress traffic');
    if (policyTypes.includes('Egress')) {
      report.line(1, 'Allowing egress traffic:');
      const rules = egress.map(({ ports = [], to = [] }) => ({ ports, peers: to }));
      describeRules(report, rules, { side: 'To', what: 'egress', end: 'destination' });
    } else report.line(1, 'Not affecting egress traffic');
    report.line(1, `Policy Types: ${policyTypes.join(', ')}`);
  },
};

interface Rule {
  ports: readonly NetworkPolicyPort[];
  peers: readonly NetworkPolicyPeer[];
}

const INDENT = '    ';

function describeRules(
  report: Report,
  rules: readonly Rule[],
  { side, what, end }: { side: string; what: string; end: string },
): void {
  if (rules.length === 0) report.line(0, `${INDENT}<none> (Selected pods are isolated for ${what} connectivity)`);
  for (const [index, { ports, peers }] of rules.entries()) {
    if (ports.length === 0) report.line(0, `${INDENT}To Port: <any> (traffic allowed to all ports)`);
    for (const { port = '<nil>', endPort, protocol = 'TCP' } of ports)
      report.line(
        0,
        endPort === undefined
          ? `${INDENT}To Port: ${port}/${protocol}`
          : `${INDENT}To Port Range: ${port}-${endPort}/${protocol}`,
      );
    if (peers.length === 0) report.line(0, `${INDENT}${side}: <any> (traffic not restricted by ${end})`);
    for (const peer of peers) {
      report.line(0, `${INDENT}${side}:`);
      describePeer(report, peer);
    }
    if (index < rules.length - 1) report.line(0, `${INDENT}----------`);
  }
}

function describePeer(report: Report, { podSelector, namespaceSelector, ipBlock }: NetworkPolicyPeer): void {
  if (namespaceSelector) report.line(1, `${INDENT}NamespaceSelector: ${formatLabelSelector(namespaceSelector)}`);
  if (podSelector) report.line(1, `${INDENT}PodSelector: ${formatLabelSelector(podSelector)}`);
  if (podSelector || namespaceSelector || !ipBlock) return;
  report.line(1, `${INDENT}IPBlock:`);
  report.line(2, `${INDENT}CIDR: ${ipBlock.cidr}`);
  report.line(2, `${INDENT}Except: ${(ipBlock.except ?? []).join(', ')}`);
}

export const ingressClassDescriber: Describer<IngressClass> = {
  kind: 'IngressClass.networking.k8s.io',
  async describe(report, ingressClass, context) {
    const { metadata, spec = {} } = ingressClass;
    report.field('Name', metadata.name);
    report.labels('Labels', metadata.labels);
    report.annotations('Annotations', metadata.annotations);
    report.field('Controller', spec.controller ?? '');
    if (spec.parameters) {
      const { apiGroup, kind, name } = spec.parameters;
      report.line(0, 'Parameters:');
      if (apiGroup !== undefined) report.field('APIGroup', apiGroup, 1);
      report.field('Kind', kind, 1);
      report.field('Name', name, 1);
    }
    await describeEvents(report, ingressClass, context);
  },
};

export const serviceCidrDescriber: Describer<ServiceCIDR> = {
  kind: 'ServiceCIDR.networking.k8s.io',
  async describe(report, range, context) {
    const { metadata, spec, status } = range;
    report.field('Name', metadata.name);
    report.labels('Labels', metadata.labels);
    report.annotations('Annotations', metadata.annotations);
    report.field('CIDRs', (spec?.cidrs ?? []).join(', '));
    const conditions = status?.conditions ?? [];
    if (conditions.length > 0) {
      report.line(0, 'Status:');
      const headers = ['Type', 'Status', 'LastTransitionTime', 'Reason', 'Message'];
      const rows = conditions.map((one) => [
        one.type,
        one.status,
        formatTime(one.lastTransitionTime),
        one.reason,
        one.message,
      ]);
      report.table('Conditions', headers, rows);
    }
    await describeEvents(report, range, context);
  },
};

export const ipAddressDescriber: Describer<IPAddress> = {
  kind: 'IPAddress.networking.k8s.io',
  async describe(report, address, context) {
    const { metadata, spec } = address;
    report.field('Name', metadata.name);
    report.labels('Labels', metadata.labels);
    report.annotations('Annotations', metadata.annotations);
    if (spec?.parentRef) {
      const { group = '', resource = '', namespace = '', name = '' } = spec.parentRef;
      report.line(0, 'Parent Reference:');
      report.field('Group', group, 1);
      report.field('Resource', resource, 1);
      report.field('Namespace', namespace, 1);
      report.field('Name', name, 1);
    }
    await describeEvents(report, address, context);
  },
};
