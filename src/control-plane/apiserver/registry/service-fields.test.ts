import { expect, test } from 'vitest';
import type { Service, ServiceSpec } from '#api/generated/schema.ts';
import { familiesOf, heldAddresses, heldNodePorts, withSyncedClusterIps } from './service-fields.ts';

const spec = (fields: Partial<ServiceSpec>): ServiceSpec => ({ type: 'ClusterIP', sessionAffinity: 'None', ...fields });
type Available = ('IPv4' | 'IPv6')[];
const families = (fields: Partial<ServiceSpec>, available: Available = ['IPv4', 'IPv6'], before?: ServiceSpec) =>
  familiesOf({ spec: spec(fields) } as Service, before, available);
const complaints = (...args: Parameters<typeof families>) => {
  const found = families(...args);
  return Array.isArray(found)
    ? found.map(({ field, message }) => `${field}: ${message.slice(message.lastIndexOf(': ') + 2)}`)
    : found;
};

test('what a Service holds depends on what it is', () => {
  expect(heldAddresses(spec({ clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1', 'fd00::1'] }))).toEqual([
    '10.0.0.1',
    'fd00::1',
  ]);
  expect(heldAddresses(spec({ clusterIP: 'None', clusterIPs: ['None'] }))).toEqual([]);
  expect(heldAddresses(spec({ type: 'ExternalName', clusterIP: '10.0.0.1' }))).toEqual([]);
  const ports = [{ port: 53, nodePort: 30053 }, { port: 53, nodePort: 30053 }, { port: 80 }] as ServiceSpec['ports'];
  expect(heldNodePorts(spec({ type: 'NodePort', ports }))).toEqual([30053]);
  expect(heldNodePorts(spec({ ports }))).toEqual([]);
  expect(
    heldNodePorts(spec({ type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 31000 })),
  ).toEqual([31000]);
});

for (const [fields, ipFamilies, ipFamilyPolicy] of [
  [{}, ['IPv4'], 'SingleStack'],
  [{ ipFamilyPolicy: 'PreferDualStack' }, ['IPv4', 'IPv6'], 'PreferDualStack'],
  [{ ipFamilies: ['IPv6'] }, ['IPv6'], 'SingleStack'],
  [{ ipFamilies: ['IPv6', 'IPv4'], ipFamilyPolicy: 'PreferDualStack' }, ['IPv6', 'IPv4'], 'PreferDualStack'],
  [{ ipFamilies: ['IPv6'], ipFamilyPolicy: 'RequireDualStack' }, ['IPv6', 'IPv4'], 'RequireDualStack'],
  [
    { clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1', 'fd00::1'], ipFamilyPolicy: 'RequireDualStack' },
    ['IPv4', 'IPv6'],
    'RequireDualStack',
  ],
  [{ clusterIP: 'fd00::1', clusterIPs: ['fd00::1'] }, ['IPv6'], 'SingleStack'],
  [{ clusterIP: 'None', clusterIPs: ['None'], selector: { a: 'b' } }, ['IPv4'], 'SingleStack'],
  [{ clusterIP: 'None', clusterIPs: ['None'] }, ['IPv4', 'IPv6'], 'RequireDualStack'],
] as [Partial<ServiceSpec>, string[], string][]) {
  test(`families of ${JSON.stringify(fields)}`, () => {
    expect(families(fields)).toMatchObject({ ipFamilies, ipFamilyPolicy });
  });
}

test('a Service that prefers two families gets one where there is one', () => {
  expect(families({ ipFamilyPolicy: 'PreferDualStack' }, ['IPv4'])).toMatchObject({ ipFamilies: ['IPv4'] });
  expect(families({ type: 'ExternalName' })).toBeUndefined();
});

const two = spec({
  clusterIP: '10.0.0.1',
  clusterIPs: ['10.0.0.1', 'fd00::1'],
  ipFamilies: ['IPv4', 'IPv6'],
  ipFamilyPolicy: 'PreferDualStack',
});
const several = "must be 'RequireDualStack' or 'PreferDualStack' when multiple";

for (const [what, found, expected] of [
  [
    'two families without a policy',
    complaints({ ipFamilies: ['IPv4', 'IPv6'] }),
    [`spec.ipFamilyPolicy: ${several} IP families are specified`],
  ],
  [
    'two addresses without a policy',
    complaints({ clusterIPs: ['10.0.0.1', 'fd00::1'] }),
    [`spec.ipFamilyPolicy: ${several} cluster IPs are specified`],
  ],
  [
    'two families required where there is one',
    complaints({ ipFamilyPolicy: 'RequireDualStack' }, ['IPv4']),
    ['spec.ipFamilyPolicy: this cluster is not configured for dual-stack services'],
  ],
  [
    'a family that the cluster has not',
    complaints({ ipFamilies: ['IPv6'] }, ['IPv4']),
    ['spec.ipFamilies[0]: not configured on this cluster'],
  ],
  [
    'an address of a family that the cluster has not',
    complaints({ clusterIPs: ['fd00::1'] }, ['IPv4']),
    ['spec.clusterIPs[0]: IPv6 is not configured on this cluster'],
  ],
  [
    'one address less without saying so',
    complaints({ ...two, clusterIPs: ['10.0.0.1'] }, undefined, two),
    ["spec.ipFamilyPolicy: must be 'SingleStack' to release the secondary cluster IP"],
  ],
  [
    'one family less without saying so',
    complaints({ ...two, ipFamilies: ['IPv4'] }, undefined, two),
    ["spec.ipFamilyPolicy: must be 'SingleStack' to release the secondary IP family"],
  ],
] as const) {
  test(`${what} is refused`, () => expect(found).toEqual(expected));
}

test('the policy alone makes a Service of one family one of two, and back', () => {
  const one = spec({
    clusterIP: '10.0.0.1',
    clusterIPs: ['10.0.0.1'],
    ipFamilies: ['IPv4'],
    ipFamilyPolicy: 'SingleStack',
  });
  const more = families({ ...one, ipFamilyPolicy: 'PreferDualStack' }, undefined, one);
  expect(more).toMatchObject({ ipFamilies: ['IPv4', 'IPv6'], clusterIPs: ['10.0.0.1'] });
  const less = families({ ...two, ipFamilyPolicy: 'SingleStack' }, undefined, two);
  expect(less).toMatchObject({ ipFamilies: ['IPv4'], clusterIPs: ['10.0.0.1'] });
});

test('a Service that prefers two is left as it is when the cluster changes', () => {
  const had = spec({
    clusterIP: '10.0.0.1',
    clusterIPs: ['10.0.0.1'],
    ipFamilies: ['IPv4'],
    ipFamilyPolicy: 'PreferDualStack',
  });
  expect(families(had, ['IPv4', 'IPv6'], had)).toBeUndefined();
});

test('clusterIP and clusterIPs say the same, whichever was given', () => {
  expect(withSyncedClusterIps(spec({ clusterIP: '10.0.0.1' })).clusterIPs).toEqual(['10.0.0.1']);
  const current = spec({ clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1'] });
  expect(withSyncedClusterIps({ ...current, clusterIP: '' }, current).clusterIPs).toEqual([]);
  expect(withSyncedClusterIps({ ...current, clusterIP: 'None' }, current).clusterIPs).toEqual(['None']);
  expect(withSyncedClusterIps(current, current)).toEqual(current);
});
