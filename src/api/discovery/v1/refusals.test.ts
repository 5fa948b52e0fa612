import { expect, test } from 'vitest';
import { refusalsOf } from '#testing/refusals-of.ts';

/** As kube-apiserver of this version answers: everything that is wrong, in its order. */
test.each([
  [
    'EndpointSlice',
    'addresses, hints and ports',
    {
      addressType: 'IPv4',
      endpoints: [
        { addresses: ['::1'] },
        { addresses: ['169.254.1.1'], hints: { forZones: [{ name: 'a' }, { name: 'a' }] } },
        { addresses: [] },
      ],
      ports: [{ name: 'a' }, { name: 'a', protocol: 'ICMP' }],
    },
    [
      'ports[1].name: Duplicate value: "a"',
      'ports[1].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
      'endpoints[0].addresses: Invalid value: "::1": must be an IPv4 address',
      'endpoints[0].addresses[0]: Invalid value: "::1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
      'endpoints[1].addresses[0]: Invalid value: "169.254.1.1": may not be in the link-local range (169.254.0.0/16, fe80::/10)',
      'endpoints[1].hints.forZones[1].name: Duplicate value: "a"',
      'endpoints[2].addresses: Required value: must contain at least 1 address',
    ],
  ],
  ['EndpointSlice', 'nothing', {}, ['addressType: Required value']],
])('%s: %s', (kind, _what, content, refusals) => {
  expect(refusalsOf('discovery.k8s.io/v1', kind, content)).toEqual(refusals);
});
