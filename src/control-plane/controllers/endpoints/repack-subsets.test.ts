import { expect, test } from 'vitest';
import type { EndpointSubset } from '#api/generated/schema.ts';
import { repackSubsets } from './repack-subsets.ts';

const port = (number: number, name = `p${number}`) => ({ name, port: number, protocol: 'TCP' as const });
const [a, b] = [{ ip: '10.0.0.1' }, { ip: '10.0.0.2' }];

test.each<[string, EndpointSubset[], EndpointSubset[]]>([
  [
    'ports of the same addresses stand together',
    [
      { addresses: [a], ports: [port(80)] },
      { addresses: [a], ports: [port(443)] },
    ],
    [{ addresses: [a], ports: [port(80), port(443)] }],
  ],
  [
    'a port that two offer, each beside another one, stands alone',
    [
      { addresses: [a], ports: [port(80), port(9090)] },
      { addresses: [b], ports: [port(8080), port(9090)] },
    ],
    [
      { addresses: [a], ports: [port(80)] },
      { addresses: [a, b], ports: [port(9090)] },
      { addresses: [b], ports: [port(8080)] },
    ],
  ],
  [
    'who is not ready once, is not ready; each stands once',
    [
      { addresses: [b, a], ports: [port(80)] },
      { notReadyAddresses: [a], ports: [port(80)] },
      { addresses: [a, b], ports: [port(80)] },
    ],
    [{ addresses: [b], notReadyAddresses: [a], ports: [port(80)] }],
  ],
  [
    'who is ready for one port alone does not stand with those who are for both',
    [
      { addresses: [a], ports: [port(80)] },
      { notReadyAddresses: [a], ports: [port(443)] },
    ],
    [
      { addresses: [a], ports: [port(80)] },
      { notReadyAddresses: [a], ports: [port(443)] },
    ],
  ],
  [
    'a port is the same in whatever order its fields stand',
    [
      { addresses: [a], ports: [port(80)] },
      { addresses: [b], ports: [{ protocol: 'TCP', port: 80, name: 'p80' }] },
    ],
    [{ addresses: [a, b], ports: [port(80)] }],
  ],
  ['addresses without ports stay', [{ addresses: [a] }, { addresses: [b] }], [{ addresses: [a, b] }]],
  [
    'two targets behind one address are two',
    [
      { addresses: [{ ...a, targetRef: { uid: '1' } }], ports: [port(80)] },
      { addresses: [{ ...a, targetRef: { uid: '2' } }], ports: [port(80)] },
    ],
    [
      {
        addresses: [
          { ...a, targetRef: { uid: '1' } },
          { ...a, targetRef: { uid: '2' } },
        ],
        ports: [port(80)],
      },
    ],
  ],
])('%s', (_, subsets, expected) => {
  expect(repackSubsets(subsets)).toEqual(expected);
});
