import { expect, test } from 'vitest';
import { refusalsOf } from '#testing/refusals-of.ts';

/** As kube-apiserver of this version answers: everything that is wrong, in its order. */
test.each([
  [
    'Service',
    'what has no meaning for its type',
    {
      spec: {
        type: 'ExternalName',
        externalName: 'a.example.com',
        clusterIP: '10.0.0.1',
        clusterIPs: ['10.0.0.1'],
        ipFamilies: ['IPv4'],
        ipFamilyPolicy: 'SingleStack',
        loadBalancerSourceRanges: ['10.0.0.0/8'],
        externalIPs: ['010.0.0.1'],
        trafficDistribution: 'Near',
      },
    },
    [
      'spec.clusterIPs: Forbidden: may not be set for ExternalName services',
      'spec.ipFamilies: Forbidden: may not be set for ExternalName services',
      'spec.ipFamilyPolicy: Forbidden: may not be set for ExternalName services',
      'spec.externalIPs[0]: Invalid value: "010.0.0.1": must not have leading 0s',
      "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
      'spec.trafficDistribution: Unsupported value: "Near": supported values: "PreferClose", "PreferSameZone", "PreferSameNode"',
    ],
  ],
  [
    'Service',
    'addresses of several families that do not fit together',
    {
      spec: {
        clusterIP: '10.0.0.1',
        clusterIPs: ['10.0.0.1', '10.0.0.2', '2001:db8::1'],
        ipFamilies: ['IPv6', 'IPv6', 'IPv5'],
        ipFamilyPolicy: 'Odd',
        ports: [{ port: 80 }],
      },
    },
    [
      'spec.ipFamilies[1]: Duplicate value: "IPv6"',
      'spec.ipFamilies[2]: Unsupported value: "IPv5": supported values: "IPv4", "IPv6"',
      'spec.ipFamilyPolicy: Unsupported value: "Odd": supported values: "PreferDualStack", "RequireDualStack", "SingleStack"',
      'spec.clusterIPs: Invalid value: ["10.0.0.1","10.0.0.2","2001:db8::1"]: may only hold up to 2 values',
      'spec.clusterIPs[0]: Invalid value: "10.0.0.1": expected an IPv6 value as indicated by `ipFamilies[0]`',
      'spec.clusterIPs[1]: Invalid value: "10.0.0.2": expected an IPv6 value as indicated by `ipFamilies[1]`',
    ],
  ],
  [
    'Service',
    'addresses of one family, and of none',
    { spec: { clusterIP: '2001:db8::1', clusterIPs: ['2001:db8::1', '2001:db8::2'], ports: [{ port: 80 }] } },
    [
      'spec.clusterIPs: Invalid value: ["2001:db8::1","2001:db8::2"]: may specify no more than one IP for each IP family',
    ],
  ],
  [
    'Service',
    'a list of addresses without the first one, no name for two ports',
    { spec: { clusterIPs: ['None', ''], ports: [{ port: 80 }, { port: 80, protocol: 'UDP', name: 'A' }] } },
    [
      'spec.ports[0].name: Required value',
      `spec.ports[1].name: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`,
      'spec.clusterIPs: Invalid value: ["None",""]: must be empty when `clusterIP` is not specified',
      `spec.clusterIPs: Invalid value: ["None",""]: 'None' must be the first and only value`,
      'spec.clusterIPs[1]: Invalid value: "": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    ],
  ],
  [
    'Service',
    'a load balancer with ranges, ports and addresses that are none',
    {
      metadata: {
        annotations: {
          'service.kubernetes.io/topology-aware-hints': 'auto',
          'service.kubernetes.io/topology-mode': 'Auto',
        },
      },
      spec: {
        type: 'LoadBalancer',
        clusterIP: 'None',
        clusterIPs: ['None'],
        ports: [
          { name: 'a', port: 80, nodePort: 30000 },
          { name: 'b', port: 81, nodePort: 30000 },
        ],
        sessionAffinity: 'ClientIP',
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 86401 } },
        externalIPs: ['169.254.1.1', '::ffff:1.2.3.4'],
        loadBalancerSourceRanges: ['10.0.0.1/8', ' 10.0.0.0/8 ', '010.0.0.0/8'],
        loadBalancerClass: 'a b',
        externalTrafficPolicy: 'Local',
        healthCheckNodePort: 70000,
        internalTrafficPolicy: 'Odd',
      },
    },
    [
      'metadata.annotations[service.kubernetes.io/topology-mode]: Invalid value: "Auto": must match annotations[service.kubernetes.io/topology-aware-hints] when both are specified',
      `spec.clusterIPs[0]: Invalid value: "None": may not be set to 'None' for LoadBalancer services`,
      'spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and less than 86400',
      'spec.externalIPs[0]: Invalid value: "169.254.1.1": may not be in the link-local range (169.254.0.0/16, fe80::/10)',
      'spec.externalIPs[1]: Invalid value: "::ffff:1.2.3.4": must not be an IPv4-mapped IPv6 address',
      'spec.ports[1].nodePort: Duplicate value: 30000',
      'spec.LoadBalancerSourceRanges[0]: Invalid value: "10.0.0.1/8": must not have bits set beyond the prefix length',
      'spec.LoadBalancerSourceRanges[2]: Invalid value: "010.0.0.0/8": must not have leading 0s in IP or prefix length',
      `spec.loadBalancerClass: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
      'spec.healthCheckNodePort: Invalid value: 70000: must be between 1 and 65535, inclusive',
      'spec.internalTrafficPolicy: Unsupported value: "Odd": supported values: "Cluster", "Local"',
    ],
  ],
  [
    'Endpoints',
    'addresses and ports',
    {
      subsets: [
        { addresses: [{ ip: '127.0.0.1' }, { ip: 'x' }], ports: [{ port: 0 }, { port: 70000, protocol: 'ICMP' }] },
        {},
      ],
    },
    [
      'subsets[0].addresses[0].ip: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
      'subsets[0].addresses[1].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      'subsets[0].addresses[1].ip: Invalid value: "x": must be a valid IP address',
      'subsets[0].ports[0].name: Required value',
      'subsets[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive',
      'subsets[0].ports[1].name: Required value',
      'subsets[0].ports[1].port: Invalid value: 70000: must be between 1 and 65535, inclusive',
      'subsets[0].ports[1].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
      'subsets[1]: Required value: must specify `addresses` or `notReadyAddresses`',
    ],
  ],
])('%s: %s', (kind, _what, content, refusals) => {
  expect(refusalsOf('v1', kind, content)).toEqual(refusals);
});
