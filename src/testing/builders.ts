/** Small objects with sensible contents, for tests: what a test does not name does not matter to it. */
import type { Deployment } from '#api/apps/v1/deployment.ts';
import type { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import type { Namespace } from '#api/core/v1/namespace.ts';
import type { Node } from '#api/core/v1/node.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import type { Service } from '#api/core/v1/service.ts';
import type { Submitted } from '#api/generated/schema.ts';
import type { KubeObject, ObjectMeta } from '#api/machinery/object.ts';

/** As a client would send it: the rest is the server's to fill in. */
export type Sent<T extends KubeObject> = Omit<Submitted<T>, 'metadata'> & { metadata: Partial<ObjectMeta> };

type Metadata = Partial<ObjectMeta>;
type PodSpec = Submitted<Pod['spec']>;

const namespaced = (name: string, metadata: Metadata = {}): Metadata => ({ namespace: 'default', name, ...metadata });

const containers = [{ name: 'main', image: 'example/main:1' }];

export const namespace = (name: string, metadata: Metadata = {}): Sent<Namespace> => ({
  metadata: { name, ...metadata },
});

export const pod = (name: string, spec: PodSpec = {}, metadata: Metadata = {}): Sent<Pod> => ({
  metadata: namespaced(name, metadata),
  spec: { containers, ...spec },
});

/** A pod that asks for so much. */
export const podAsking = (name: string, requests: Record<string, string>, spec: PodSpec = {}): Sent<Pod> =>
  pod(name, { containers: [{ name: 'main', image: 'example/main:1', resources: { requests } }], ...spec });

/** Its pods carry the label app=NAME. */
export function replicaSet(
  name: string,
  spec: Submitted<ReplicaSet['spec']> = {},
  metadata: Metadata = {},
): Sent<ReplicaSet> {
  return { metadata: namespaced(name, metadata), spec: { ...selecting(name), ...spec } };
}

/** Its pods carry the label app=NAME. */
export function deployment(
  name: string,
  spec: Submitted<Deployment['spec']> = {},
  metadata: Metadata = {},
): Sent<Deployment> {
  return { metadata: namespaced(name, metadata), spec: { ...selecting(name), ...spec } };
}

const selecting = (name: string) => ({
  selector: { matchLabels: { app: name } },
  template: { metadata: { labels: { app: name } }, spec: { containers } },
});

/** A template of another image: what makes a rollout. */
export const templateWithImage = (name: string, image: string): Submitted<Deployment['spec']['template']> => ({
  metadata: { labels: { app: name } },
  spec: { containers: [{ name: 'main', image }] },
});

/** Leads to the pods with the label app=NAME. */
export const service = (
  name: string,
  spec: Submitted<Service['spec']> = {},
  metadata: Metadata = {},
): Sent<Service> => ({
  metadata: namespaced(name, metadata),
  spec: { selector: { app: name }, ports: [{ port: 80, targetPort: 8080, protocol: 'TCP' }], ...spec },
});

export interface NodeOptions {
  capacity?: Record<string, string>;
  labels?: Record<string, string>;
  spec?: Submitted<Node['spec']>;
}

/** Ready, with 4 CPUs, 8 GiB and room for 110 pods. */
export function node(name: string, { capacity, labels, spec = {} }: NodeOptions = {}): Sent<Node> {
  const amounts = { cpu: '4', memory: '8Gi', 'ephemeral-storage': '100Gi', pods: '110', ...capacity };
  const condition = (type: string, status: string) => ({ type, status });
  return {
    metadata: { name, labels: { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux', ...labels } },
    spec,
    status: { capacity: amounts, allocatable: amounts, conditions: [condition('Ready', 'True')] },
  };
}
