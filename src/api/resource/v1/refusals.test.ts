import { expect, test } from 'vitest';
import type { KubeObject } from '#api/machinery/object.ts';
import { refusalsOf } from '#testing/refusals-of.ts';
import { ResourceClaim } from './resource-claim.ts';
import { ResourceSlice } from './resource-slice.ts';

const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const REQUEST = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";
const keys = "device.attributes['d']";
const EXPENSIVE = `${keys}.exists(k, ${keys}.exists(l, ${keys}.exists(m, ${keys}.exists(n, k + l + m + n == 'x'))))`;

/** As kube-apiserver of this version answers: everything that is wrong, in its order. */
test.each([
  [
    'ResourceClaim',
    'requests, constraints and configuration',
    {
      spec: {
        devices: {
          requests: [
            {
              name: 'R',
              exactly: {
                deviceClassName: '',
                selectors: [
                  {},
                  { cel: { expression: 'device.x' } },
                  { cel: { expression: '1' } },
                  { cel: { expression: EXPENSIVE } },
                  { cel: { expression: `${keys}.a.matches('x') && cel.bind(d, ${keys}, d.b)` } },
                ],
                count: -1,
                tolerations: [{ operator: 'Exists', value: 'v', effect: 'No' }],
              },
            },
            { name: 'r' },
            {
              name: 'r',
              exactly: { deviceClassName: 'c', allocationMode: 'All', count: 1 },
              firstAvailable: [{ name: 's', deviceClassName: 'c' }],
            },
          ],
          constraints: [{ requests: ['r/s/t', 'q'] }, { matchAttribute: 'a' }],
          config: [{ requests: ['r', 'r'] }, { opaque: { driver: 'd', parameters: [1] } }],
        },
      },
    },
    [
      `spec.devices.requests[0].name: Invalid value: "R": ${LABEL}`,
      'spec.devices.requests[0].exactly.deviceClassName: Required value',
      'spec.devices.requests[0].exactly.selectors[0].cel: Required value',
      `spec.devices.requests[0].exactly.selectors[1].cel.expression: Invalid value: "device.x": compilation failed: ERROR: <input>:1:7: undefined field 'x'\n | device.x\n | ......^`,
      'spec.devices.requests[0].exactly.selectors[2].cel.expression: Invalid value: "1": must evaluate to bool or the unknown type, not int',
      'spec.devices.requests[0].exactly.selectors[3].cel.expression: Forbidden: too complex, exceeds cost limit',
      'spec.devices.requests[0].exactly.count: Invalid value: -1: must be greater than zero',
      'spec.devices.requests[0].exactly.tolerations[0].value: Invalid value: "v": must be empty for operator `Exists`',
      'spec.devices.requests[0].exactly.tolerations[0].effect: Unsupported value: "No": supported values: "NoExecute", "NoSchedule", "None"',
      'spec.devices.requests[1]: Required value: exactly one of `exactly` or `firstAvailable` is required',
      'spec.devices.requests[2]: Invalid value: null: exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set',
      'spec.devices.requests[2]: Duplicate value: "r"',
      `spec.devices.constraints[0].requests[0]: Invalid value: "r/s/t": ${REQUEST}`,
      `spec.devices.constraints[0].requests[1]: Invalid value: "q": ${REQUEST}`,
      'spec.devices.constraints[0]: Required value: exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set',
      'spec.devices.constraints[1].matchAttribute: Invalid value: "a": a fully qualified name must be a domain and a name separated by a slash',
      'spec.devices.config[0].requests[1]: Duplicate value: "r"',
      'spec.devices.config[0].opaque: Required value',
      'spec.devices.config[1].opaque.parameters: Invalid value: "<value omitted>": must be a valid JSON object',
    ],
  ],
  [
    'DeviceClass',
    'configuration and the name of a resource',
    { spec: { extendedResourceName: 'cpu', config: [{}] } },
    [
      'spec.config[0].opaque: Required value',
      'spec.extendedResourceName: Invalid value: "cpu": must be a valid extended resource name',
    ],
  ],
  [
    'ResourceClaimTemplate',
    'labels and requests',
    { spec: { metadata: { labels: { 'a b': 'c' } }, spec: { devices: { requests: [{ name: 'r' }] } } } },
    [
      `spec.metadata.labels: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
      'spec.spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required',
    ],
  ],
  [
    'ResourceSlice',
    'places and devices',
    {
      spec: {
        driver: 'D_',
        pool: { name: 'a//b' },
        nodeName: 'n',
        allNodes: true,
        devices: [
          {
            name: 'D',
            attributes: { a: {}, 'x/y-z': { bool: true, int: 1 } },
            capacity: { c: { value: '1', requestPolicy: { default: '1' } } },
            bindingConditions: ['a'],
            nodeName: 'n',
          },
        ],
      },
    },
    [
      `spec.driver: Invalid value: "D_": ${SUBDOMAIN}`,
      `spec.pool.name: Invalid value: "": ${SUBDOMAIN}`,
      'spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero',
      'spec: Invalid value: "{`nodeName`, `allNodes`}": exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required, but multiple fields are set',
      `spec.devices[0].name: Invalid value: "D": ${LABEL}`,
      'spec.devices[0].attributes[a]: Invalid value: "": exactly one value must be specified',
      `spec.devices[0].attributes: Invalid value: "y-z": a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')`,
      'spec.devices[0].attributes[x/y-z]: Invalid value: {"IntValue":1,"BoolValue":true,"StringValue":null,"VersionValue":null,"IntValues":null,"BoolValues":null,"StringValues":null,"VersionValues":null}: exactly one value must be specified',
      'spec.devices[0].capacity[c].requestPolicy: Forbidden: allowMultipleAllocations must be true',
      'spec.devices[0]: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec',
      'spec.devices[0].bindingFailureConditions: Invalid value: null: bindingFailureConditions are required to use bindingConditions',
    ],
  ],
  [
    'ResourceSlice',
    'shares of a capacity and counters',
    {
      spec: {
        driver: 'd',
        pool: { name: 'p', resourceSliceCount: 1 },
        allNodes: true,
        devices: [
          {
            name: 'd',
            allowMultipleAllocations: true,
            consumesCounters: [{ counterSet: 'c', counters: {} }],
            capacity: {
              m: {
                value: '4Gi',
                requestPolicy: { default: '1Gi', validRange: { min: '2Gi', max: '8Gi', step: '3Gi' } },
              },
              n: { value: '4', requestPolicy: { default: '3', validValues: ['2', '1', '5'] } },
            },
            taints: [{ key: '', effect: '' }],
          },
        ],
      },
    },
    [
      'spec.devices[0].capacity[m].requestPolicy.validRange.min: Invalid value: "1Gi": default is less than min: 2Gi',
      'spec.devices[0].capacity[m].requestPolicy.validRange.max: Invalid value: "8Gi": max is larger than capacity value: 4Gi',
      'spec.devices[0].capacity[m].requestPolicy.validRange.step: Invalid value: "3Gi": one step 5Gi is larger than capacity value: 4Gi',
      'spec.devices[0].capacity[m].requestPolicy.validRange.step: Invalid value: "1Gi": value is not a multiple of a given step (3Gi) from (2Gi)',
      'spec.devices[0].capacity[n].requestPolicy.validValues[1]: Invalid value: "1": values must be sorted in ascending order',
      'spec.devices[0].capacity[n].requestPolicy.validValues[2]: Invalid value: "5": option is larger than capacity value: 4',
      'spec.devices[0].capacity[n].requestPolicy.validValues: Invalid value: "3": default value is not valid according to the requestPolicy',
      'spec.devices[0].taints[0].key: Invalid value: "": name part must be non-empty',
      `spec.devices[0].taints[0].key: Invalid value: "": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
      'spec.devices[0].taints[0].effect: Required value',
      'spec.devices[0].consumesCounters[0].counters: Required value',
    ],
  ],
])('%s: %s', (kind, _what, content, refusals) => {
  expect(refusalsOf('resource.k8s.io/v1', kind, content)).toEqual(refusals);
});

const claim = (status: object) =>
  ({
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceClaim',
    metadata: { name: 'a', namespace: 'b', uid: '1', resourceVersion: '1' },
    spec: { devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'c' } }] } },
    status,
  }) as unknown as ResourceClaim;

const result = { request: 'r', driver: 'd.x', pool: 'p', device: 'd' };

test.each([
  [
    'devices that are not allocated',
    claim({}),
    claim({
      devices: [
        { driver: 'd.x', pool: 'p', device: 'd' },
        { driver: 'd.x', pool: 'p', device: 'd', shareID: 'X' },
      ],
    }),
    [
      'status.devices[0]: Invalid value: {"Driver":"d.x","Pool":"p","Device":"d","ShareID":""}: must be an allocated device in the claim',
      'status.devices[1].shareID: Invalid value: "X": error validating uid: invalid UUID length: 1',
      'status.devices[1]: Invalid value: {"Driver":"d.x","Pool":"p","Device":"d","ShareID":"X"}: must be an allocated device in the claim',
    ],
  ],
  [
    'a reservation of what nobody allocated',
    claim({}),
    claim({ reservedFor: [{ resource: 'pods', name: 'p', uid: 'u' }] }),
    ['status.reservedFor: Forbidden: may not be specified when `allocated` is not set'],
  ],
  [
    'another request, and what is said of its device',
    claim({}),
    claim({
      allocation: { devices: { results: [{ ...result, request: 'q' }] } },
      devices: [{ driver: 'd.x', pool: 'p', device: 'd', networkData: { ips: ['10.0.0.1/024', '10.0.0.1'] } }],
    }),
    [
      'status.devices[0].networkData.ips[0]: Invalid value: "10.0.0.1/024": must be in canonical form ("10.0.0.1/24")',
      'status.devices[0].networkData.ips[1]: Invalid value: "10.0.0.1": must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)',
      `status.allocation.devices.results[0].request: Invalid value: "q": ${REQUEST}`,
    ],
  ],
])('ResourceClaim: its status may not tell of %s', (_what, current, next, refusals) => {
  const errors = ResourceClaim.validateUpdate(next, current, 'status');
  expect(errors.map(({ field, message }) => `${field}: ${message}`)).toEqual(refusals);
});

test('what is said of devices goes with their allocation', () => {
  const devices = [{ driver: 'd.x', pool: 'p', device: 'd' }];
  const current = claim({ allocation: { devices: { results: [result] } }, devices });
  expect(ResourceClaim.prepareForUpdate(claim({ devices }), current, 'status').status).toEqual({});
});

test('fields of devices that are off by default are dropped', () => {
  const spec = { devices: [{ name: 'd', attributes: { a: { ints: [1] } }, nodeAllocatableResourceMappings: {} }] };
  const slice = { apiVersion: 'resource.k8s.io/v1', kind: 'ResourceSlice', metadata: { name: 'a' }, spec };
  const prepared = ResourceSlice.prepareForCreate(slice as unknown as ResourceSlice) as KubeObject & { spec: object };
  expect(prepared.spec).toEqual({ devices: [{ name: 'd', attributes: { a: {} } }] });
});
