/** NetworkPolicy: which traffic a set of pods may have. Source: API reference, networking.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { type FieldError, forbiddenField, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import { type At, root } from '#api/machinery/field-path.ts';
import { follows, isOneOf } from '#api/machinery/field-rules.ts';
import { parseCidr, rangeContains } from '#api/machinery/ip.ts';
import { isLegacyCidr, warningsOfCidr } from '#api/machinery/ip-rules.ts';
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
  validate: ({ spec }, at) => validateSpec(spec, at.spec, NO_RANGES),
  updateHasOwnRules: true,
  // A range that was there is not judged again, wherever it stands now.
  validateUpdate: ({ next, current, at }) => validateSpec(next.spec, at.spec, rangesOf(current)),
  warnings: (policy) =>
    blocksOf(policy).flatMap(([where, block]) =>
      block
        ? [
            ...warningsOfCidr(root(`spec.${where}.ipBlock.cidr`), block.cidr),
            ...(block.except ?? []).flatMap((hole, k) =>
              warningsOfCidr(root(`spec.${where}.ipBlock.except[${k}]`), hole),
            ),
          ]
        : [],
    ),
  columns: [
    nameColumn(),
    column('Pod-Selector', 'string', ({ spec }) => formatLabelSelector(spec.podSelector)),
    ageColumn(),
  ],
});

const NO_RANGES: ReadonlySet<string> = new Set();

const rangesOf = (policy: schema.NetworkPolicy): ReadonlySet<string> =>
  new Set(blocksOf(policy).flatMap(([, block]) => (block ? [block.cidr, ...(block.except ?? [])] : [])));

const validateSpec = (
  spec: schema.NetworkPolicySpec,
  at: At<schema.NetworkPolicySpec>,
  known: ReadonlySet<string>,
): FieldError[] => [
  ...validateLabelSelector(spec.podSelector, at.podSelector),
  ...(spec.ingress ?? []).flatMap(({ ports = [], from = [] }, i) => [
    ...ports.flatMap((port, j) => validatePort(port, at.ingress[i]!.ports[j]!)),
    ...from.flatMap((peer, j) => validatePeer(peer, at.ingress[i]!.from[j]!, known)),
  ]),
  ...(spec.egress ?? []).flatMap(({ ports = [], to = [] }, i) => [
    ...ports.flatMap((port, j) => validatePort(port, at.egress[i]!.ports[j]!)),
    ...to.flatMap((peer, j) => validatePeer(peer, at.egress[i]!.to[j]!, known)),
  ]),
  ...(spec.policyTypes.length > 2
    ? [invalidValue(at.policyTypes, spec.policyTypes, 'may not specify more than two policyTypes')]
    : spec.policyTypes.flatMap((type, i) => isOneOf(at.policyTypes[i]!, type, ['Ingress', 'Egress']))),
];

const PROTOCOLS = ['TCP', 'UDP', 'SCTP'];

function validatePort(port: schema.NetworkPolicyPort, at: At<schema.NetworkPolicyPort>): FieldError[] {
  const { port: number, endPort } = port;
  const errors = isOneOf(at.protocol, port.protocol, PROTOCOLS);
  const refuse = (why: string) => [
    ...errors,
    invalidValue(at.endPort, endPort, `may not be specified when \`port\` is ${why}`),
  ];
  if (number === undefined) return endPort === undefined ? errors : refuse('not specified');
  if (typeof number === 'string') {
    errors.push(...follows(at.port, number, portName));
    return endPort === undefined ? errors : refuse('non-numeric');
  }
  errors.push(...portNumber(number).map((text) => invalidValue(at.port, number, text)));
  if (endPort !== undefined) {
    if (endPort < number) errors.push(invalidValue(at.endPort, number, 'must be greater than or equal to `port`'));
    errors.push(...portNumber(endPort).map((text) => invalidValue(at.endPort, endPort, text)));
  }
  return errors;
}

function validatePeer(
  peer: schema.NetworkPolicyPeer,
  at: At<schema.NetworkPolicyPeer>,
  known: ReadonlySet<string>,
): FieldError[] {
  const { podSelector, namespaceSelector, ipBlock } = peer;
  const errors = [
    ...validateLabelSelector(podSelector, at.podSelector),
    ...validateLabelSelector(namespaceSelector, at.namespaceSelector),
  ];
  if (!podSelector && !namespaceSelector && !ipBlock) return [requiredValue(at, 'must specify a peer')];
  if (!ipBlock) return errors;
  errors.push(...validateBlock(ipBlock, at.ipBlock, known));
  if (podSelector || namespaceSelector)
    errors.push(forbiddenField(at, 'may not specify both ipBlock and another peer'));
  return errors;
}

function validateBlock(
  { cidr, except = [] }: schema.IPBlock,
  at: At<schema.IPBlock>,
  known: ReadonlySet<string>,
): FieldError[] {
  if (!cidr) return [requiredValue(at.cidr)];
  const errors = known.has(cidr) ? [] : isLegacyCidr(at.cidr, cidr);
  const range = parseCidr(cidr);
  return [
    ...errors,
    ...except.flatMap((inner, index) => {
      const here = at.except[index]!;
      const wrong = known.has(inner) ? [] : isLegacyCidr(here, inner);
      const hole = parseCidr(inner);
      if (wrong.length > 0 || !hole || !range) return wrong;
      const inside = rangeContains(range, hole.address) && hole.prefixLength > range.prefixLength;
      return inside ? [] : [invalidValue(here, inner, 'must be a strict subset of `cidr`')];
    }),
  ];
}

const blocksOf = ({ spec }: schema.NetworkPolicy) => [
  ...(spec.ingress ?? []).flatMap(({ from = [] }, i) =>
    from.map(({ ipBlock }, j) => [`ingress[${i}].from[${j}]`, ipBlock] as const),
  ),
  ...(spec.egress ?? []).flatMap(({ to = [] }, i) =>
    to.map(({ ipBlock }, j) => [`egress[${i}].to[${j}]`, ipBlock] as const),
  ),
];
