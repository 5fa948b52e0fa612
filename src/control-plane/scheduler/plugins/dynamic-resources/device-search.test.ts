import { describe, expect, test } from 'vitest';
import type { DeviceClass, Node, ResourceResourceClaim, ResourceSlice } from '#api/generated/schema.ts';
import { allocationOf } from './allocation-result.ts';
import { DevicePools } from './device-pools.ts';
import { requestsOf } from './device-requests.ts';
import { DeviceSearch } from './device-search.ts';
import { DeviceSelectors } from './device-selectors.ts';
import { allocatedBy } from './pod-resource-claims.ts';

type Spec = ResourceResourceClaim['spec']['devices'];

const node = { metadata: { name: 'node1', labels: { rack: 'r1' } } } as unknown as Node;
const classes: Record<string, object> = {
  gpu: { selectors: [{ cel: { expression: 'device.attributes["gpu.example.org"].kind == "gpu"' } }] },
  any: {},
  set: { config: [{ opaque: { driver: 'gpu.example.org', parameters: { mode: 'fast' } } }] },
};
const classNamed = (name: string) =>
  classes[name] && ({ metadata: { name }, spec: classes[name] } as unknown as DeviceClass);

const device = (name: string, more: object = {}, attributes: object = {}) => ({
  name,
  attributes: { kind: { string: 'gpu' }, ...attributes },
  ...more,
});

const slice = (devices: object[], spec: object = {}, name = 's1') =>
  ({
    metadata: { name },
    spec: {
      driver: 'gpu.example.org',
      pool: { name: 'node1', generation: 1, resourceSliceCount: 1 },
      nodeName: 'node1',
      devices,
      ...spec,
    },
  }) as unknown as ResourceSlice;

const claimOf = (devices: object, status: object = {}) =>
  ({
    metadata: { namespace: 'default', name: 'c', uid: '11111111-2222-3333-4444-555555550000' },
    spec: { devices: devices as Spec },
    status,
  }) as unknown as ResourceResourceClaim;

const exactly = (name: string, more: object = {}) => ({
  name,
  exactly: { deviceClassName: 'any', allocationMode: 'ExactCount', count: 1, ...more },
});

function allocate(slices: ResourceSlice[], devices: object, given: ResourceResourceClaim[] = [], timeoutMs = 10_000) {
  const claim = requestsOf(claimOf(devices), classNamed);
  const selectors = new DeviceSelectors();
  const pools = new DevicePools(slices).of(node);
  const allocated = allocatedBy(given);
  const chosen = new DeviceSearch({ claims: [claim], pools, allocated, selectors, timeoutMs }).run();
  return chosen && allocationOf(claim, chosen[0] ?? [], 'node1');
}

/** `request=device` of each result. */
const names = (...args: Parameters<typeof allocate>) =>
  allocate(...args)?.devices?.results?.map((each) => `${each.request}=${each.device}`);

const given = (...devices: (string | object)[]) => [
  claimOf(
    {},
    {
      allocation: {
        devices: {
          results: devices.map((one) =>
            typeof one === 'string' ? { driver: 'gpu.example.org', pool: 'node1', device: one } : one,
          ),
        },
      },
    },
  ),
];

const counted = (name: string, amount: string) =>
  device(name, { consumesCounters: [{ counterSet: 'memory', counters: { bytes: { value: amount } } }] });
const counters = (value: string) =>
  slice([], { sharedCounters: [{ name: 'memory', counters: { bytes: { value } } }], pool: twoSlices }, 's0');
const twoSlices = { name: 'node1', generation: 1, resourceSliceCount: 2 };
const shareable = (name: string) =>
  device(name, {
    allowMultipleAllocations: true,
    capacity: { memory: { value: '10Gi', requestPolicy: { default: '4Gi' } } },
  });
const share = (device: string, memory: string) => ({
  driver: 'gpu.example.org',
  pool: 'node1',
  device,
  shareID: 's',
  consumedCapacity: { memory },
});

describe('a claim', () => {
  test.each<[string, ResourceSlice[], object, string[] | undefined, ResourceResourceClaim[]?]>([
    ['gets a device', [slice([device('a'), device('b')])], { requests: [exactly('r')] }, ['r=a']],
    ['gets one that is free', [slice([device('a'), device('b')])], { requests: [exactly('r')] }, ['r=b'], given('a')],
    ['gets none where all are taken', [slice([device('a')])], { requests: [exactly('r')] }, undefined, given('a')],
    [
      'gets as many as it asks for',
      [slice([device('a'), device('b')])],
      { requests: [exactly('r', { count: 2 })] },
      ['r=a', 'r=b'],
    ],
    [
      'gets nothing when they are too few',
      [slice([device('a')])],
      { requests: [exactly('r', { count: 2 })] },
      undefined,
    ],
    [
      'gets what its class selects',
      [slice([device('a', {}, { kind: { string: 'nic' } }), device('b')])],
      { requests: [exactly('r', { deviceClassName: 'gpu' })] },
      ['r=b'],
    ],
    [
      'gets what it selects itself',
      [
        slice([
          device('a', { capacity: { memory: { value: '8Gi' } } }),
          device('b', { capacity: { memory: { value: '80Gi' } } }),
        ]),
      ],
      {
        requests: [
          exactly('r', {
            selectors: [
              {
                cel: {
                  expression:
                    'device.capacity["gpu.example.org"].memory.compareTo(quantity("40Gi")) >= 0 && device.driver == "gpu.example.org"',
                },
              },
            ],
          }),
        ],
      },
      ['r=b'],
    ],
    [
      'goes back and tries others when a choice leads nowhere',
      [slice([device('a'), device('b', {}, { kind: { string: 'nic' } })])],
      { requests: [exactly('r'), exactly('s', { deviceClassName: 'gpu' })] },
      ['r=b', 's=a'],
    ],
    [
      'gets devices that share an attribute',
      [
        slice([
          device('a', {}, { root: { int: 1 } }),
          device('b', {}, { root: { int: 2 } }),
          device('c', {}, { root: { int: 2 } }),
        ]),
      ],
      { requests: [exactly('r', { count: 2 })], constraints: [{ matchAttribute: 'gpu.example.org/root' }] },
      ['r=b', 'r=c'],
    ],
    [
      'gets devices that differ in an attribute',
      [
        slice([
          device('a', {}, { root: { int: 1 } }),
          device('b', {}, { root: { int: 1 } }),
          device('c', {}, { root: { int: 2 } }),
        ]),
      ],
      { requests: [exactly('r', { count: 2 })], constraints: [{ distinctAttribute: 'gpu.example.org/root' }] },
      ['r=a', 'r=c'],
    ],
    [
      'gets all',
      [slice([device('a'), device('b')])],
      { requests: [exactly('r', { allocationMode: 'All', count: undefined })] },
      ['r=a', 'r=b'],
    ],
    [
      'gets nothing when of all one is taken',
      [slice([device('a'), device('b')])],
      { requests: [exactly('r', { allocationMode: 'All', count: undefined })] },
      undefined,
      given('a'),
    ],
    [
      'gets nothing when all are none',
      [slice([])],
      { requests: [exactly('r', { allocationMode: 'All', count: undefined })] },
      undefined,
    ],
    [
      'gets the first of its alternatives that can be had',
      [slice([device('a', {}, { kind: { string: 'nic' } })])],
      {
        requests: [
          {
            name: 'r',
            firstAvailable: [
              { name: 'best', deviceClassName: 'gpu', allocationMode: 'ExactCount', count: 1 },
              { name: 'other', deviceClassName: 'any', allocationMode: 'ExactCount', count: 1 },
            ],
          },
        ],
      },
      ['r/other=a'],
    ],
    [
      'of an administrator gets what is taken',
      [slice([device('a')])],
      { requests: [exactly('r', { adminAccess: true })] },
      ['r=a'],
      given('a'),
    ],
    [
      'is kept from a tainted device',
      [slice([device('a', { taints: [{ key: 'broken', effect: 'NoSchedule' }] }), device('b')])],
      { requests: [exactly('r')] },
      ['r=b'],
    ],
    [
      'that tolerates the taint gets it',
      [slice([device('a', { taints: [{ key: 'broken', effect: 'NoExecute' }] })])],
      { requests: [exactly('r', { tolerations: [{ key: 'broken', operator: 'Exists' }] })] },
      ['r=a'],
    ],
    [
      'gets it where the taint has no effect',
      [slice([device('a', { taints: [{ key: 'x', effect: 'None' }] })])],
      { requests: [exactly('r')] },
      ['r=a'],
    ],
    [
      'gets parts as long as their counters allow',
      [counters('10'), slice([counted('a', '6'), counted('b', '6'), counted('c', '4')], { pool: twoSlices })],
      { requests: [exactly('r', { count: 2 })] },
      ['r=a', 'r=c'],
    ],
    [
      'gets no part whose counters others have used',
      [counters('10'), slice([counted('a', '6'), counted('b', '6'), counted('c', '4')], { pool: twoSlices })],
      { requests: [exactly('r')] },
      ['r=c'],
      given('a'),
    ],
    [
      'shares a device that several may have',
      [slice([shareable('a')])],
      { requests: [exactly('r')] },
      ['r=a'],
      given(share('a', '4Gi')),
    ],
    [
      'gets no share of what is used up',
      [slice([shareable('a')])],
      { requests: [exactly('r', { capacity: { requests: { memory: '8Gi' } } })] },
      undefined,
      given(share('a', '4Gi')),
    ],
    [
      'gets nothing of a pool that is not whole',
      [slice([device('a')], { pool: twoSlices })],
      { requests: [exactly('r')] },
      undefined,
    ],
    [
      'gets nothing of an older generation',
      [
        slice([device('a')]),
        slice([device('b')], { pool: { name: 'node1', generation: 2, resourceSliceCount: 1 } }, 's2'),
      ],
      { requests: [exactly('r')] },
      ['r=b'],
    ],
    [
      'gets nothing of another node',
      [slice([device('a')], { nodeName: 'node2' })],
      { requests: [exactly('r')] },
      undefined,
    ],
    [
      'gets a device that the node reaches by its labels',
      [
        slice([device('a')], {
          nodeName: undefined,
          nodeSelector: {
            nodeSelectorTerms: [{ matchExpressions: [{ key: 'rack', operator: 'In', values: ['r1'] }] }],
          },
        }),
      ],
      { requests: [exactly('r')] },
      ['r=a'],
    ],
    [
      'gets a device that says itself which node has it',
      [
        slice([device('a', { nodeName: 'node2' }), device('b', { allNodes: true })], {
          nodeName: undefined,
          perDeviceNodeSelection: true,
        }),
      ],
      { requests: [exactly('r')] },
      ['r=b'],
    ],
  ])('%s', (_, slices, devices, expected, others) => {
    expect(names(slices, devices, others)).toEqual(expected);
  });

  test('never gets more than 32 devices', () => {
    const many = slice(Array.from({ length: 40 }, (_, i) => device(`d${i}`)));
    expect(names([many], { requests: [exactly('r', { count: 32 })] })?.length).toBe(32);
    expect(names([many], { requests: [exactly('r', { count: 33 })] })).toBeUndefined();
  });
});

describe('the result', () => {
  test('says on which node, and how devices are set up', () => {
    const config = [{ requests: ['r'], opaque: { driver: 'gpu.example.org', parameters: { own: true } } }];
    const result = allocate([slice([device('a'), device('b')])], {
      requests: [exactly('r', { deviceClassName: 'set' }), exactly('s')],
      config,
    });
    expect(result?.nodeSelector).toEqual({
      nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['node1'] }] }],
    });
    expect(result?.devices?.config).toEqual([
      { source: 'FromClass', requests: ['r'], opaque: { driver: 'gpu.example.org', parameters: { mode: 'fast' } } },
      { source: 'FromClaim', requests: ['r'], opaque: { driver: 'gpu.example.org', parameters: { own: true } } },
    ]);
  });

  test('of a device that is bound to its node names the node that was chosen', () => {
    const anywhere = slice([device('a', { bindsToNode: true })], { nodeName: undefined, allNodes: true });
    const terms = allocate([anywhere], { requests: [exactly('r')] })?.nodeSelector?.nodeSelectorTerms;
    expect(terms?.[0]?.matchFields?.[0]?.values).toEqual(['node1']);
    const free = slice([device('a')], { nodeName: undefined, allNodes: true });
    expect(allocate([free], { requests: [exactly('r')] })?.nodeSelector).toBeUndefined();
  });

  test('of a share says how much it is of, each share with an ID of its own', () => {
    const asked = exactly('r', { count: 2, capacity: { requests: { memory: '5Gi' } } });
    const results = allocate([slice([shareable('a')])], { requests: [asked] })?.devices?.results ?? [];
    expect(results.map(({ consumedCapacity }) => consumedCapacity)).toEqual([{ memory: '5Gi' }, { memory: '5Gi' }]);
    expect(new Set(results.map(({ shareID }) => shareID)).size).toBe(2);
  });
});

describe('it is said when something is wrong with', () => {
  test.each<[string, ResourceSlice[], object, string]>([
    [
      'a selector',
      [slice([device('a')])],
      { requests: [exactly('r', { selectors: [{ cel: { expression: 'device.attributes["x"].y == 1' } }] })] },
      'claim default/c: selector #0 on device gpu.example.org/node1/a: CEL runtime error: no such key: y. consider using CEL optional chaining (.? followed by orValue()) or guarding the check with has() for optional fields',
    ],
    [
      'a class',
      [],
      { requests: [exactly('r', { deviceClassName: 'gone' })] },
      'claim default/c, request r: could not retrieve device class gone: deviceclass.resource.k8s.io "gone" not found',
    ],
    [
      'a pool of which all are asked for',
      [slice([device('a')], { pool: twoSlices })],
      { requests: [exactly('r', { allocationMode: 'All', count: undefined })] },
      'claim default/c, request r: asks for all devices, but resource pool gpu.example.org/node1 is currently being updated',
    ],
    [
      'a constraint that all devices cannot meet',
      [slice([device('a', {}, { root: { int: 1 } }), device('b', {}, { root: { int: 2 } })])],
      {
        requests: [exactly('r', { allocationMode: 'All', count: undefined })],
        constraints: [{ matchAttribute: 'gpu.example.org/root' }],
      },
      'claim default/c, request r: cannot add device gpu.example.org/node1/b because a claim constraint would not be satisfied',
    ],
  ])('%s', (_, slices, devices, message) => {
    expect(() => allocate(slices, devices)).toThrow(message);
  });

  test('a search that takes too long', () => {
    const many = slice(Array.from({ length: 22 }, (_, i) => device(`d${i}`, {}, { root: { int: i % 2 } })));
    const asked = {
      requests: [exactly('r', { count: 12 })],
      constraints: [{ matchAttribute: 'gpu.example.org/root' }],
    };
    expect(() => allocate([many], asked)).toThrow('too many devices to try');
    expect(() => allocate([many], asked, [], 0)).toThrow('too many devices to try');
  });

  test('one that may take less time than another', () => {
    const many = slice(Array.from({ length: 10 }, (_, i) => device(`d${i}`)));
    const asked = { requests: [exactly('r', { count: 10 })] };
    expect(() => allocate([many], asked, [], 1)).toThrow('too many devices to try');
    for (const timeoutMs of [3, 0]) expect(names([many], asked, [], timeoutMs)).toHaveLength(10);
  });
});
