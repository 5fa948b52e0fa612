import { expect, test } from 'vitest';
import { refusalsOf } from '#testing/refusals-of.ts';

/** As kube-apiserver of this version answers: everything that is wrong, in its order. */
test.each([
  [
    'Ingress',
    'rules and backends',
    {
      spec: {
        ingressClassName: 'A',
        rules: [
          {
            host: '1.2.3.4',
            http: {
              paths: [
                { path: 'a', pathType: 'Prefix', backend: { service: { name: 'S', port: {} } } },
                { path: '/x/../y', backend: {} },
              ],
            },
          },
        ],
        tls: [{ hosts: ['*'] }],
      },
    },
    [
      'spec.rules[0].host: Invalid value: "1.2.3.4": must be a DNS name, not an IP address',
      'spec.rules[0].http.paths[0].path: Invalid value: "a": must be an absolute path',
      `spec.rules[0].http.paths[0].backend.service.name: Invalid value: "S": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`,
      'spec.rules[0].http.paths[0].backend: Required value: port name or number is required',
      'spec.rules[0].http.paths[1].pathType: Required value: pathType must be specified',
      `spec.tls[0].hosts[0]: Invalid value: "*": a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
      `spec.ingressClassName: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
    ],
  ],
  [
    'Ingress',
    'nothing',
    { spec: {} },
    ['spec: Invalid value: null: either `defaultBackend` or `rules` must be specified'],
  ],
  [
    'IngressClass',
    'parameters',
    { spec: { controller: 'c', parameters: { kind: 'K', name: 'n', scope: 'Somewhere' } } },
    [
      'spec.controller: Invalid value: "c": must be a domain-prefixed path (such as "acme.io/foo")',
      'spec.parameters.scope: Unsupported value: "Somewhere": supported values: "Cluster", "Namespace"',
    ],
  ],
  [
    'NetworkPolicy',
    'peers and ports',
    {
      spec: {
        podSelector: { matchExpressions: [{ key: 'a', operator: 'In' }] },
        policyTypes: ['Egress', 'Both'],
        ingress: [
          {
            from: [{}, { ipBlock: { cidr: '10.0.0.0/8', except: ['11.0.0.0/9'] }, podSelector: {} }],
            ports: [{ protocol: 'ICMP', port: 0 }, { endPort: 3 }],
          },
        ],
      },
    },
    [
      `spec.podSelector.matchExpressions[0].values: Required value: must be specified when \`operator\` is 'In' or 'NotIn'`,
      'spec.ingress[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"',
      'spec.ingress[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive',
      'spec.ingress[0].ports[1].endPort: Invalid value: 3: may not be specified when `port` is not specified',
      'spec.ingress[0].from[0]: Required value: must specify a peer',
      'spec.ingress[0].from[1].ipBlock.except[0]: Invalid value: "11.0.0.0/9": must be a strict subset of `cidr`',
      'spec.ingress[0].from[1]: Forbidden: may not specify both ipBlock and another peer',
      'spec.policyTypes[1]: Unsupported value: "Both": supported values: "Ingress", "Egress"',
    ],
  ],
  [
    'ServiceCIDR',
    'ranges',
    { spec: { cidrs: ['10.0.0.1/8', 'x', '10.1.0.0/16'] } },
    ['spec.cidrs: Invalid value: {"CIDRs":["10.0.0.1/8","x","10.1.0.0/16"]}: may only hold up to 2 values'],
  ],
  [
    'IPAddress',
    'name and parent',
    { metadata: { name: '10.0.0.01' }, spec: { parentRef: { resource: 'services' } } },
    ['metadata.name: Invalid value: "10.0.0.01": must not have leading 0s', 'spec.parentRef.name: Required value'],
  ],
])('%s: %s', (kind, _what, content, refusals) => {
  expect(refusalsOf('networking.k8s.io/v1', kind, content)).toEqual(refusals);
});
