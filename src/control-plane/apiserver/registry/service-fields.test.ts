import { expect, test } from 'vitest';
import type { Service, ServiceSpec } from '#api/generated/schema.ts';
import { familiesOf, heldAddresses, heldNodePorts, withSyncedClusterIps } from './service-fields.ts';

const spec = (fields: Partial<ServiceSpec>): ServiceSpec => ({ type: 'ClusterIP', sessionAffinity: 'None', ...fields });
const families = (fields: Partial<ServiceSpec>, available: ('IPv4' | 'IPv6')[] = ['IPv4', 'IPv6']) =>
  familiesOf({ spec: spec(fields) } as Service, available);

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
  [{ ipFamilies: ['IPv6', 'IPv4'] }, ['IPv6', 'IPv4'], 'RequireDualStack'],
  [{ clusterIP: 'fd00::1', clusterIPs: ['fd00::1'] }, ['IPv6'], 'SingleStack'],
  [{ clusterIP: 'None', clusterIPs: ['None'], selector: { a: 'b' } }, ['IPv4'], 'SingleStack'],
  [{ clusterIP: 'None', clusterIPs: ['None'] }, ['IPv4', 'IPv6'], 'RequireDualStack'],
] as [Partial<ServiceSpec>, string[], string][]) {
  test(`families of ${JSON.stringify(fields)}`, () => {
    expect(families(fields)).toEqual({ ipFamilies, ipFamilyPolicy });
  });
}

test('a Service that prefers two families gets one where there is one', () => {
  expect(families({ ipFamilyPolicy: 'PreferDualStack' }, ['IPv4'])?.ipFamilies).toEqual(['IPv4']);
  expect(families({ type: 'ExternalName' })).toBeUndefined();
});

test('clusterIP and clusterIPs say the same, whichever was given', () => {
  expect(withSyncedClusterIps(spec({ clusterIP: '10.0.0.1' })).clusterIPs).toEqual(['10.0.0.1']);
  const current = spec({ clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1'] });
  expect(withSyncedClusterIps({ ...current, clusterIP: '' }, current).clusterIPs).toEqual([]);
  expect(withSyncedClusterIps({ ...current, clusterIP: 'None' }, current).clusterIPs).toEqual(['None']);
  expect(withSyncedClusterIps(current, current)).toEqual(current);
});
