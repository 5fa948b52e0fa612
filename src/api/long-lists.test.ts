/** Whoever writes an object chooses how long its lists are: judging one must not look back at all items from each of them. */
import { expect, test } from 'vitest';
import { ValidatingWebhookConfiguration } from './admissionregistration/v1/validating-webhook-configuration.ts';
import { LimitRange } from './core/v1/limit-range.ts';
import { Node } from './core/v1/node.ts';
import { Pod } from './core/v1/pod.ts';
import { Service } from './core/v1/service.ts';
import type { Kind } from './machinery/kind.ts';
import type { KubeObject } from './machinery/object.ts';
import { repeatedIn } from './machinery/repeated.ts';
import { RuntimeClass } from './node/v1/runtime-class.ts';
import { CSIDriver } from './storage/v1/csi-driver.ts';
import { CSINode } from './storage/v1/csi-node.ts';
import { StorageClass } from './storage/v1/storage-class.ts';

test('what is repeated is told by where it stands again', () => {
  expect([...repeatedIn(['a', 'b', 'a', undefined, 'b', undefined, 'a'])]).toEqual([2, 4, 5, 6]);
});

const COUNT = 500;
/** Often enough for each rule to look at every item a few times, far from once for each other item. */
const MOST_READS = 60;

let reads = 0;
/** Items of which the field counts how often it is read. */
const items = (field: string, valueAt: (index: number) => string, more: object = {}) =>
  Array.from({ length: COUNT }, (_, index) =>
    Object.defineProperty({ ...more }, field, {
      enumerable: true,
      get() {
        reads++;
        return valueAt(index);
      },
    }),
  );

const metadata = { name: 'a', namespace: 'default' };
const container = { name: 'a', image: 'x', imagePullPolicy: 'Always', terminationMessagePolicy: 'File' };
const pod = (spec: object, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata,
  spec: { restartPolicy: 'Always', dnsPolicy: 'ClusterFirst', containers: [{ ...container, ...more }], ...spec },
});
const letters = (index: number) => `a${index.toString(36)}`;

test.each<[string, Pick<Kind, 'validate' | 'warnings'>, () => object]>([
  ['gates', Pod, () => pod({ schedulingGates: items('name', letters) })],
  ['claims', Pod, () => pod({ resourceClaims: items('name', letters, { resourceClaimName: 'x' }) })],
  ['sysctls', Pod, () => pod({ securityContext: { sysctls: items('name', letters, { value: '1' }) } })],
  ['ports', Pod, () => pod({}, { ports: items('name', letters, { containerPort: 1, protocol: 'TCP' }) })],
  ['environment', Pod, () => pod({}, { env: items('name', letters) })],
  ['mounts', Pod, () => pod({}, { volumeMounts: items('mountPath', letters, { name: 'v' }) })],
  ['devices', Pod, () => pod({}, { volumeDevices: items('devicePath', letters, { name: 'v' }) })],
  ['ports of a Service', Service, () => ({ metadata, spec: { ports: items('name', letters, { port: 1 }) } })],
  ['limits', LimitRange, () => ({ metadata, spec: { limits: items('type', letters) } })],
  ['claims of a container', Pod, () => pod({}, { resources: { claims: items('name', letters, { request: 'r' }) } })],
  [
    'spread constraints',
    Pod,
    () => pod({ topologySpreadConstraints: items('topologyKey', letters, { whenUnsatisfiable: 'DoNotSchedule' }) }),
  ],
  ['resize policies', Pod, () => pod({}, { resizePolicy: items('resourceName', letters) })],
  ['taints', Node, () => ({ metadata, spec: { taints: items('key', letters, { effect: 'NoSchedule' }) } })],
  ['tolerations', RuntimeClass, () => ({ metadata, handler: 'a', scheduling: { tolerations: items('key', letters) } })],
  [
    'tokens of drivers',
    CSIDriver,
    () => ({ metadata, spec: { volumeLifecycleModes: [], tokenRequests: items('audience', letters) } }),
  ],
  ['drivers', CSINode, () => ({ metadata, spec: { drivers: items('name', letters) } })],
  [
    'keys of topologies',
    StorageClass,
    () => ({
      ...{ metadata, provisioner: 'a', volumeBindingMode: 'Immediate' },
      allowedTopologies: [{ matchLabelExpressions: items('key', letters, { values: ['a'] }) }],
    }),
  ],
  [
    'topologies',
    StorageClass,
    () => ({
      ...{ metadata, provisioner: 'a', volumeBindingMode: 'Immediate' },
      allowedTopologies: items('key', letters, { values: ['a'] }).map((one) => ({ matchLabelExpressions: [one] })),
    }),
  ],
  [
    'webhooks',
    ValidatingWebhookConfiguration,
    () => ({ metadata, webhooks: items('name', (index) => `a${index}.example.com`) }),
  ],
])('%s', (_, kind, make) => {
  const object = make();
  reads = 0;
  kind.validate(object as KubeObject);
  kind.warnings(object as KubeObject);
  expect(reads).toBeGreaterThanOrEqual(COUNT);
  expect(reads / COUNT).toBeLessThan(MOST_READS);
});

test('topologies that all say the same are told of a thousand times at most', () => {
  const allowedTopologies = Array.from({ length: 10_000 }, () => ({}));
  const errors = StorageClass.validate({ metadata, provisioner: 'a', allowedTopologies } as never);
  expect(errors.filter(({ message }) => message.startsWith('Duplicate value'))).toHaveLength(1000);
});
