/** Kinds whose tests ask for the API's verbs and for nothing to happen: one life for all of them. */
import { describe, expect, test } from 'vitest';
import type { KubeObject } from '#api/machinery/object.ts';
import { eventually } from '../running-cluster.ts';
import { clusterPath, type Playground, playground } from './playground.ts';

interface Life {
  /** The conformance name. */
  name: string;
  kind: string;
  apiVersion: string;
  /** What an object has beside its metadata. */
  parts: object;
  isNamespaced?: boolean;
  /** The names of objects, where they are not free. */
  names?: readonly [string, string, string];
  /** A change of the status: patched, then updated and read back. */
  status?: object;
}

const dra = (kind: string, rest: Partial<Life> & { parts: object }): Life => ({
  name: `[DRA] CRUD Tests resource.k8s.io/v1 ${kind}`,
  kind,
  apiVersion: 'resource.k8s.io/v1',
  ...rest,
});
const claim = { devices: { requests: [{ name: 'req-0', exactly: { deviceClassName: 'my-class' } }] } };
const ingressRule = {
  host: 'foo.bar.com',
  http: {
    paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 'default-backend', port: { number: 80 } } } }],
  },
};
const attachment = {
  attacher: 'kedge.example.com',
  nodeName: 'no-such-node',
  source: { persistentVolumeName: 'none' },
};

/** A policy that concerns no request of any other test. */
const nowhere = {
  matchConstraints: {
    namespaceSelector: { matchLabels: { 'no-such-label': 'at-all' } },
    resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['podtemplates'] }],
  },
};

const LIVES: readonly Life[] = [
  {
    name: 'RuntimeClass should support RuntimeClasses API operations',
    kind: 'RuntimeClass',
    apiVersion: 'node.k8s.io/v1',
    parts: { handler: 'conformance-handler' },
  },
  {
    name: 'Lease lease API should be available',
    kind: 'Lease',
    apiVersion: 'coordination.k8s.io/v1',
    isNamespaced: true,
    parts: { spec: { holderIdentity: 'holder', leaseDurationSeconds: 30, leaseTransitions: 0 } },
  },
  dra('DeviceClass', { parts: { spec: { selectors: [{ cel: { expression: 'device.driver == "a.example.com"' } }] } } }),
  dra('ResourceClaim', {
    isNamespaced: true,
    parts: { spec: claim },
    status: { reservedFor: [] },
  }),
  dra('ResourceClaimTemplate', { isNamespaced: true, parts: { spec: { spec: claim } } }),
  dra('ResourceSlice', {
    parts: {
      spec: {
        driver: 'a.example.com',
        nodeName: 'no-such-node',
        pool: { name: 'pool', generation: 1, resourceSliceCount: 1 },
        devices: [],
      },
    },
  }),
  {
    name: 'CSIInlineVolumes should run through the lifecycle of a CSIDriver',
    kind: 'CSIDriver',
    apiVersion: 'storage.k8s.io/v1',
    parts: { spec: { attachRequired: false, volumeLifecycleModes: ['Ephemeral'] } },
  },
  {
    name: 'CSINodes CSI Conformance should run through the lifecycle of a csinode',
    kind: 'CSINode',
    apiVersion: 'storage.k8s.io/v1',
    parts: { spec: { drivers: [] } },
  },
  {
    name: 'CSIStorageCapacity should support CSIStorageCapacities API operations',
    kind: 'CSIStorageCapacity',
    apiVersion: 'storage.k8s.io/v1',
    isNamespaced: true,
    parts: { storageClassName: 'some-class', capacity: '1Gi' },
  },
  {
    name: 'StorageClasses CSI Conformance should run through the lifecycle of a StorageClass',
    kind: 'StorageClass',
    apiVersion: 'storage.k8s.io/v1',
    parts: { provisioner: 'kedge.example.com', reclaimPolicy: 'Delete', volumeBindingMode: 'Immediate' },
  },
  {
    name: 'VolumeAttachment Conformance should run through the lifecycle of a VolumeAttachment',
    kind: 'VolumeAttachment',
    apiVersion: 'storage.k8s.io/v1',
    parts: { spec: attachment },
  },
  {
    name: 'VolumeAttachment Conformance should apply changes to a volumeattachment status',
    kind: 'VolumeAttachment',
    apiVersion: 'storage.k8s.io/v1',
    parts: { spec: attachment },
    status: { attached: true },
  },
  {
    name: 'VolumeAttributesClass should run through the lifecycle of a VolumeAttributesClass',
    kind: 'VolumeAttributesClass',
    apiVersion: 'storage.k8s.io/v1',
    parts: { driverName: 'kedge.example.com', parameters: { iops: '100' } },
  },
  {
    name: 'Ingress API should support creating Ingress API operations',
    kind: 'Ingress',
    apiVersion: 'networking.k8s.io/v1',
    isNamespaced: true,
    // Of a class that nobody serves: otherwise its status is its controller's.
    parts: {
      spec: {
        ingressClassName: 'nobodys',
        defaultBackend: { service: { name: 'backend', port: { number: 80 } } },
        rules: [ingressRule],
      },
    },
    status: { loadBalancer: { ingress: [{ ip: '169.1.1.1' }] } },
  },
  {
    name: 'IngressClass API should support creating IngressClass API operations',
    kind: 'IngressClass',
    apiVersion: 'networking.k8s.io/v1',
    parts: { spec: { controller: 'example.com/controller' } },
  },
  {
    name: 'ServiceCIDR and IPAddress API should support IPAddress API operations',
    kind: 'IPAddress',
    apiVersion: 'networking.k8s.io/v1',
    names: ['192.168.1.1', '192.168.1.2', '192.168.1.3'],
    parts: { spec: { parentRef: { group: '', resource: 'services', name: 'none', namespace: 'default' } } },
  },
  {
    name: 'EndpointSlice should support creating EndpointSlice API operations',
    kind: 'EndpointSlice',
    apiVersion: 'discovery.k8s.io/v1',
    isNamespaced: true,
    parts: { addressType: 'IPv4', endpoints: [{ addresses: ['1.2.3.4'] }], ports: [{ name: 'http', port: 80 }] },
  },
  {
    name: 'API priority and fairness should support FlowSchema API operations',
    kind: 'FlowSchema',
    apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
    parts: { spec: { matchingPrecedence: 10_000, priorityLevelConfiguration: { name: 'global-default' }, rules: [] } },
    status: { conditions: [{ type: 'E2E', status: 'True', reason: 'Set', message: 'by a test' }] },
  },
  {
    name: 'API priority and fairness should support PriorityLevelConfiguration API operations',
    kind: 'PriorityLevelConfiguration',
    apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
    parts: {
      spec: { type: 'Limited', limited: { nominalConcurrencyShares: 2, limitResponse: { type: 'Reject' } } },
    },
    status: { conditions: [{ type: 'E2E', status: 'True', reason: 'Set', message: 'by a test' }] },
  },
  {
    name: 'ValidatingAdmissionPolicy should support ValidatingAdmissionPolicy API operations',
    kind: 'ValidatingAdmissionPolicy',
    apiVersion: 'admissionregistration.k8s.io/v1',
    parts: { spec: { ...nowhere, validations: [{ expression: 'true' }] } },
    status: {
      conditions: [
        {
          type: 'E2E',
          status: 'True',
          reason: 'Set',
          message: 'by a test',
          lastTransitionTime: '2026-01-01T00:00:00Z',
        },
      ],
    },
  },
  {
    name: 'ValidatingAdmissionPolicy should support ValidatingAdmissionPolicyBinding API operations',
    kind: 'ValidatingAdmissionPolicyBinding',
    apiVersion: 'admissionregistration.k8s.io/v1',
    parts: { spec: { policyName: 'no-such-policy', validationActions: ['Deny'] } },
  },
  {
    name: 'MutatingAdmissionPolicy should support MutatingAdmissionPolicy API operations',
    kind: 'MutatingAdmissionPolicy',
    apiVersion: 'admissionregistration.k8s.io/v1',
    parts: {
      spec: {
        ...nowhere,
        reinvocationPolicy: 'Never',
        mutations: [
          {
            patchType: 'JSONPatch',
            jsonPatch: { expression: '[JSONPatch{op: "test", path: "/kind", value: "PodTemplate"}]' },
          },
        ],
      },
    },
  },
  {
    name: 'MutatingAdmissionPolicy should support MutatingAdmissionPolicyBinding API operations',
    kind: 'MutatingAdmissionPolicyBinding',
    apiVersion: 'admissionregistration.k8s.io/v1',
    parts: { spec: { policyName: 'no-such-policy' } },
  },
  {
    name: 'CronJob should support CronJob API operations',
    kind: 'CronJob',
    apiVersion: 'batch/v1',
    isNamespaced: true,
    parts: {
      spec: {
        schedule: '0 0 1 1 *',
        jobTemplate: {
          spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'none' }] } } },
        },
      },
    },
    status: { lastScheduleTime: '2026-01-01T00:00:00Z' },
  },
  {
    name: 'ServiceCIDR and IPAddress API should support ServiceCIDR API operations',
    kind: 'ServiceCIDR',
    apiVersion: 'networking.k8s.io/v1',
    parts: { spec: { cidrs: ['10.233.0.0/24'] } },
  },
  {
    name: 'SchedulerPreemption PriorityClass endpoints verify PriorityClass endpoints can be operated with different HTTP methods',
    kind: 'PriorityClass',
    apiVersion: 'scheduling.k8s.io/v1',
    parts: { value: 1, description: 'of a test' },
  },
];

interface Found extends KubeObject {
  status?: unknown;
}

class Living {
  readonly #ground: Playground;
  readonly #life: Life;
  readonly #label: string;
  readonly #names: readonly [string, string, string];

  constructor(ground: Playground, life: Life, index: number) {
    this.#ground = ground;
    this.#life = life;
    this.#label = `life-${index}`;
    this.#names = life.names ?? [`${this.#label}-a`, `${this.#label}-b`, `${this.#label}-c`];
  }

  async whole(): Promise<void> {
    await this.#isDiscovered();
    const { api } = this.#ground;
    const seen = await api.watchFromNow(this.#selected);
    try {
      const first = await this.#make(0);
      expect((await api.try('POST', this.#all, this.#object(0))).code).toBe(409);
      await this.#make(1);
      await this.#make(2);
      expect((await api.get(this.#one(0))).metadata.uid).toBe(first.metadata.uid);
      expect(await this.#count()).toBe(3);
      await this.#isChanged();
      for (const [type, note] of [['ADDED'], ['MODIFIED', 'patched'], ['MODIFIED', 'updated']] as const) {
        await eventually(`${type} ${note ?? ''} is seen`, async () =>
          seen.events.some((event) => event.type === type && (!note || event.object.metadata.annotations?.[note])),
        );
      }
      if (this.#life.status) await this.#changesStatus(this.#life.status);
      await api.delete(this.#one(0));
      await this.#ground.gone(this.#one(0));
      expect(await this.#count()).toBe(2);
      await api.delete(this.#selected);
      await eventually('all are gone', async () => (await this.#count()) === 0);
      await eventually(
        'DELETED is seen thrice',
        async () => seen.events.filter(({ type }) => type === 'DELETED').length === 3,
      );
    } finally {
      seen.stop();
      await api.try('DELETE', this.#selected); // what a failure leaves
    }
  }

  get #all(): string {
    const { kind, apiVersion, isNamespaced } = this.#life;
    return isNamespaced ? this.#ground.path(kind, apiVersion) : clusterPath(kind, apiVersion);
  }
  get #selected(): string {
    return `${this.#all}?labelSelector=test%3D${this.#label}`;
  }
  #one(index: 0 | 1 | 2): string {
    return `${this.#all}/${this.#names[index]}`;
  }
  #object(index: 0 | 1 | 2): object {
    const { kind, apiVersion, parts } = this.#life;
    return { apiVersion, kind, metadata: { name: this.#names[index], labels: { test: this.#label } }, ...parts };
  }
  #make(index: 0 | 1 | 2): Promise<KubeObject> {
    return this.#ground.api.post(this.#all, this.#object(index));
  }
  async #count(): Promise<number> {
    return (await this.#ground.api.get<{ items: unknown[] }>(this.#selected)).items.length;
  }

  async #isDiscovered(): Promise<void> {
    const { api } = this.#ground;
    const [group = '', version = ''] = this.#life.apiVersion.split('/');
    const groups = await api.get<{ groups: { name: string; versions: { version: string }[] }[] }>('/apis');
    expect(groups.groups.find(({ name }) => name === group)?.versions).toContainEqual(
      expect.objectContaining({ version }),
    );
    expect(await api.get(`/apis/${group}`)).toMatchObject({ name: group });
    const { resources } = await api.get<{ resources: { name: string; kind: string; verbs: string[] }[] }>(
      `/apis/${group}/${version}`,
    );
    const found = resources.find(({ name, kind }) => kind === this.#life.kind && !name.includes('/'));
    const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
    expect([...(found?.verbs ?? [])].sort()).toEqual(verbs);
  }

  async #isChanged(): Promise<void> {
    const { api } = this.#ground;
    const patched = await api.patch(this.#one(0), { metadata: { annotations: { patched: 'true' } } });
    expect(patched.metadata.annotations).toMatchObject({ patched: 'true' });
    // A controller may have said something of it meanwhile.
    const updated = await eventually('it is updated', async () => {
      const now = await api.get(this.#one(0));
      const annotations = { ...now.metadata.annotations, updated: 'true' };
      const changed = { ...now, metadata: { ...now.metadata, annotations } };
      const { code, text } = await api.try('PUT', this.#one(0), changed);
      return code === 200 && (JSON.parse(text) as KubeObject);
    });
    expect(updated.metadata.annotations).toMatchObject({ patched: 'true', updated: 'true' });
    const { code } = await api.try('PUT', this.#one(0), patched);
    expect(code).toBe(409); // it knew an older one
    if (this.#life.isNamespaced) {
      const everywhere = `${clusterPath(this.#life.kind, this.#life.apiVersion)}?labelSelector=test%3D${this.#label}`;
      expect((await api.get<{ items: unknown[] }>(everywhere)).items).toHaveLength(3);
    }
  }

  async #changesStatus(status: object): Promise<void> {
    const { api } = this.#ground;
    const path = `${this.#one(0)}/status`;
    const patched = await api.patch<Found>(path, { status });
    if (Object.values(status).flat().length > 0) expect(patched.status).toMatchObject(status);
    // A controller may write beside us.
    const updated = await eventually('the status is updated', async () => {
      const { code, text } = await api.try('PUT', path, { ...(await api.get<Found>(path)), status: patched.status });
      return code === 200 && (JSON.parse(text) as Found);
    });
    expect(updated.metadata.uid).toBe(patched.metadata.uid);
    // A controller may add conditions of its own.
    const conditions = (found: Found) => (found.status as { conditions?: unknown[] } | undefined)?.conditions ?? [];
    const read = await api.get<Found>(path);
    expect(conditions(read)).toEqual(expect.arrayContaining(conditions(updated)));
    expect({ ...(read.status as object), conditions: [] }).toEqual({ ...(updated.status as object), conditions: [] });
  }
}

describe('the life of kinds', () => {
  const ground = playground('kinds', async () => undefined);
  for (const [index, life] of LIVES.entries()) test(life.name, () => new Living(ground(), life, index).whole());
});
