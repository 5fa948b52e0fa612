/** NetworkPolicy: which traffic a set of pods may have. Source: API reference, networking.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { type FieldError, forbiddenField, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows, isOneOf } from '#api/machinery/field-rules.ts';
import { parseCidr, rangeContains } from '#api/machinery/ip.ts';
import { formatLabelSelector, validateLabelSelector } from '#api/machinery/label-selector.ts';
import { portName, portNumber } from '#api/machinery/names.ts';

export type NetworkPolicy = schema.NetworkPolicy;

export const NetworkPolicy = defineKind<schema.NetworkPolicy>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'NetworkPolicy',
  plural: 'networkpolicies',
  scope: 'Namespaced',
  shortNames: ['netpol'],
  generationOf: ({ spec }) => spec,
  defaults: ({ spec = {}, ...policy }) => {
    const withProtocols = <T extends { ports?: schema.Submitted<schema.NetworkPolicyPort>[] }>(rules: T[]) =>
      rules.map((rule) => ({
        ...rule,
        ...(rule.ports && { ports: rule.ports.map((port) => ({ ...port, protocol: port.protocol ?? 'TCP' })) }),
      }));
    return {
      ...policy,
      spec: {
        ...spec,
        podSelector: spec.podSelector ?? {},
        ...(spec.ingress && { ingress: withProtocols(spec.ingress) }),
        ...(spec.egress && { egress: withProtocols(spec.egress) }),
        policyTypes: spec.policyTypes?.length
          ? spec.policyTypes
          : ['Ingress', ...(spec.egress?.length ? ['Egress'] : [])],
      },
    } as schema.NetworkPolicy;
  },
  validate: ({ spec }, { spec: at }) => [
    ...validateLabelSelector(spec.podSelector, at.podSelector),
    ...(spec.ingress ?? []).flatMap(({ ports = [], from = [] }, i) => [
      ...ports.flatMap((port, j) => validatePort(port, at.ingress[i]!.ports[j]!)),
      ...from.flatMap((peer, j) => validatePeer(peer, at.ingress[i]!.from[j]!)),
    ]),
    ...(spec.egress ?? []).flatMap(({ ports = [], to = [] }, i) => [
      ...ports.flatMap((port, j) => validatePort(port, at.egress[i]!.ports[j]!)),
      ...to.flatMap((peer, j) => validatePeer(peer, at.egress[i]!.to[j]!)),
    ]),
    ...(spec.policyTypes.length > 2
      ? [invalidValue(at.policyTypes, spec.policyTypes, 'may not specify more than two policyTypes')]
      : spec.policyTypes.flatMap((type, i) => isOneOf(at.policyTypes[i]!, type, ['Ingress', 'Egress']))),
  ],
  columns: [
    nameColumn(),
    column('Pod-Selector', 'string', ({ spec }) => formatLabelSelector(spec.podSelector)),
    ageColumn(),
  ],
});

function validatePort(port: schema.NetworkPolicyPort, at: At<schema.NetworkPolicyPort>): FieldError[] {
  const errors = isOneOf(at.protocol, port.protocol, ['SCTP', 'TCP', 'UDP']);
  if (port.port === undefined)
    return port.endPort === undefined
      ? errors
      : [...errors, requiredValue(at.port, 'must be specified when `endPort` is specified')];
  if (typeof port.port === 'string') {
    errors.push(...follows(at.port, port.port, portName));
    if (port.endPort !== undefined)
      errors.push(requiredValue(at.endPort, 'may not be specified when `port` is non-numeric'));
    return errors;
  }
  errors.push(...portNumber(port.port).map((text) => invalidValue(at.port, port.port, text)));
  if (port.endPort !== undefined) {
    if (port.endPort < port.port)
      errors.push(invalidValue(at.endPort, port.port, 'must be greater than or equal to `port`'));
    errors.push(...portNumber(port.endPort).map((text) => invalidValue(at.endPort, port.endPort, text)));
  }
  return errors;
}

function validatePeer(peer: schema.NetworkPolicyPeer, at: At<schema.NetworkPolicyPeer>): FieldError[] {
  const { podSelector, namespaceSelector, ipBlock } = peer;
  const errors = [
    ...validateLabelSelector(podSelector, at.podSelector),
    ...validateLabelSelector(namespaceSelector, at.namespaceSelector),
  ];
  if (!podSelector && !namespaceSelector && !ipBlock) return [requiredValue(at, 'must specify a peer')];
  if (ipBlock && (podSelector || namespaceSelector))
    return [...errors, forbiddenField(at, 'may not specify both ipBlock and another peer')];
  return ipBlock ? [...errors, ...validateBlock(ipBlock, at.ipBlock)] : errors;
}

function validateBlock({ cidr, except = [] }: schema.IPBlock, at: At<schema.IPBlock>): FieldError[] {
  const text = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';
  const range = parseCidr(cidr ?? '');
  if (!cidr) return [requiredValue(at.cidr)];
  if (!range) return [invalidValue(at.cidr, cidr, text)];
  return except.flatMap((inner, index) => {
    const hole = parseCidr(inner);
    if (!hole) return [invalidValue(at.except[index]!, inner, text)];
    const inside = rangeContains(range, hole.address) && hole.prefixLength > range.prefixLength;
    return inside ? [] : [invalidValue(at.except[index]!, inner, 'must be a strict subset of `cidr`')];
  });
}
