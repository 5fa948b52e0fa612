/** Which pods a policy is for, and who may speak with them. */
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '#api/generated/schema.ts';
import { formatLabelSelector } from '#api/machinery/label-selector.ts';
import type { Describer } from './describer.ts';
import { formatGoTime, type Report } from './report.ts';

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
