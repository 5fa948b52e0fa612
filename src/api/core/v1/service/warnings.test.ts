import { expect, test } from 'vitest';
import type { Service } from '#api/generated/schema.ts';
import { warningsOfService } from './warnings.ts';

test.each<[object, string[]]>([
  [{ type: 'ClusterIP', clusterIPs: ['10.0.0.1'] }, []],
  [
    { type: 'ClusterIP', clusterIPs: ['10.0.0.1'], externalIPs: ['1.2.3.4'], externalName: 'a' },
    [
      'spec.externalIPs is deprecated and may no longer be implemented in some clusters',
      'spec.externalName is ignored when spec.type is not "ExternalName"',
    ],
  ],
  [
    { type: 'ClusterIP', clusterIPs: ['None'], sessionAffinity: 'ClientIP', loadBalancerIP: '010.0.0.1' },
    [
      'spec.loadBalancerIP is ignored for headless services',
      'spec.SessionAffinity is ignored for headless services',
      'spec.loadBalancerIP: non-standard IP address "010.0.0.1" is invalid: use "10.0.0.1"',
    ],
  ],
  [
    { type: 'ExternalName', externalIPs: ['1.2.3.4'], trafficDistribution: 'PreferClose' },
    [
      'spec.externalIPs is ignored when spec.type is "ExternalName"',
      'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"',
    ],
  ],
])('of a Service %j', (spec, warnings) => {
  const service = { metadata: { name: 'a' }, spec: { sessionAffinity: 'None', ...spec } } as unknown as Service;
  expect(warningsOfService(service)).toEqual(warnings);
});
