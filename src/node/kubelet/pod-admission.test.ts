import { expect, test } from 'vitest';
import type { Node, Pod } from '#api/generated/schema.ts';
import { refusalOf } from './pod-admission.ts';

const node = {
  metadata: { name: 'a', labels: { zone: 'x' } },
  status: { allocatable: { cpu: '2', memory: '1Gi', pods: '3' } },
} as unknown as Node;
let created = 0;
const pod = (spec: object = {}, requests: Record<string, string> = {}, phase = 'Pending') => {
  const metadata = { uid: `${++created}`, creationTimestamp: `2026-01-01T00:00:0${created % 10}Z` };
  const container = { name: 'main', resources: { requests }, ...(spec as { container?: object }).container };
  return { metadata, spec: { containers: [container], ...spec }, status: { phase } } as unknown as Pod;
};
const onPort = (hostPort: number) => ({ container: { ports: [{ containerPort: 80, hostPort, protocol: 'TCP' }] } });
const running = (spec: object = {}, requests: Record<string, string> = {}) => pod(spec, requests, 'Running');

test('what fits is taken', () => {
  const others = [running(onPort(8080), { cpu: '1' })];
  expect(
    refusalOf(pod({ ...onPort(8081), nodeSelector: { zone: 'x' } }, { cpu: '1' }), { node, others }),
  ).toBeUndefined();
});

test.each([
  [
    pod({}, { cpu: '1500m' }),
    'OutOfcpu',
    "Node didn't have enough resource: cpu, requested: 1500, used: 1000, capacity: 2000",
  ],
  [
    pod({}, { memory: '2Gi' }),
    'OutOfmemory',
    "Node didn't have enough resource: memory, requested: 2147483648, used: 0, capacity: 1073741824",
  ],
  [
    pod({ nodeSelector: { zone: 'y' } }),
    'NodeAffinity',
    "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
  ],
  [
    pod(onPort(8080)),
    'NodePorts',
    "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
  ],
])('%#: %o is refused: %s', (refused, reason, message) => {
  expect(refusalOf(refused, { node, others: [running(onPort(8080), { cpu: '1' })] })).toEqual({ reason, message });
});

test('no more pods than the node has room for', () => {
  const others = [running(), running(), running()];
  expect(refusalOf(pod(), { node, others })?.reason).toBe('OutOfpods');
});

test('pods that have ended, that came later, and the pod itself do not count', () => {
  const first = pod(onPort(8080));
  const ended = pod(onPort(8080), {}, 'Succeeded');
  const later = pod(onPort(8080));
  expect(refusalOf(first, { node, others: [first, ended, later] })).toBeUndefined();
  expect(refusalOf(later, { node, others: [first, ended, later] })?.reason).toBe('NodePorts');
});

test('groups are strict only where the runtime says that it can be so', () => {
  const having = (features: object): Node => ({ ...node, status: { ...node.status, ...features } });
  const strict = pod({ securityContext: { supplementalGroupsPolicy: 'Strict' } });
  const refused = {
    reason: 'SupplementalGroupsPolicyNotSupported',
    message: 'SupplementalGroupsPolicy=Strict is not supported in this node',
  };
  expect(refusalOf(strict, { node, others: [] })).toEqual(refused);
  expect(refusalOf(strict, { node: having({ features: { supplementalGroupsPolicy: false } }), others: [] })).toEqual(
    refused,
  );
  expect(
    refusalOf(strict, { node: having({ features: { supplementalGroupsPolicy: true } }), others: [] }),
  ).toBeUndefined();
  const merging = pod({ securityContext: { supplementalGroupsPolicy: 'Merge' } });
  expect(refusalOf(merging, { node, others: [] })).toBeUndefined();
});
