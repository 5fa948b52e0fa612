import { expect, test } from 'vitest';
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { graphOf } from './controller-graph.ts';
import { rulesOf } from './controller-roles.ts';
import { defineController, settled, watching } from './define-controller.ts';

const example = defineController({
  name: 'example-controller',
  serviceAccount: 'example',
  reconciles: ReplicaSet,
  owns: [Pod],
  watches: [watching(Node, ({ metadata }) => [metadata.name])],
  writes: { create: [Pod], status: [ReplicaSet] },
  also: [{ apiGroups: [''], resources: ['pods/eviction'], verbs: ['create'] }],

  // What follows is here for the compiler: each line that must not compile says so.
  async reconcile(rs, { owned, cached, api, claim }) {
    const pods: Pod[] = owned(Pod);
    const nodes: Node[] = cached(Node).list();
    // @ts-expect-error ConfigMap is not among what it owns
    owned(ConfigMap);
    // @ts-expect-error nor among what it watches
    cached(ConfigMap);
    // @ts-expect-error it may not delete anything
    const deleting = () => api.delete(Pod, pods[0]);
    // @ts-expect-error it may create pods only
    const creating = () => api.create(ConfigMap, { metadata: { name: 'a' } });
    // @ts-expect-error the status of a pod is not its to write
    const writing = () => api.updateStatus(pods[0] as Pod, { phase: 'Failed' });
    // @ts-expect-error adopting a pod means patching it
    const claiming = () => claim(Pod);
    // @ts-expect-error a status has its own shape
    const shaping = () => api.updateStatus(rs, { replicas: 'many' });
    void [nodes, deleting, creating, writing, claiming, shaping];
    return settled;
  },
});

test('its rights follow from what it declares', () => {
  expect(rulesOf(example)).toEqual([
    { apiGroups: ['apps'], resources: ['replicasets'], verbs: ['get', 'list', 'watch'] },
    { apiGroups: [''], resources: ['pods'], verbs: ['create', 'get', 'list', 'watch'] },
    { apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list', 'watch'] },
    { apiGroups: ['apps'], resources: ['replicasets/status'], verbs: ['update'] },
    { apiGroups: ['apps'], resources: ['replicasets/finalizers'], verbs: ['update'] },
    { apiGroups: [''], resources: ['pods/eviction'], verbs: ['create'] },
    { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['create', 'patch', 'update'] },
  ]);
});

test('so does its part of the graph', () => {
  expect(graphOf([example]).map(({ relation, kind }) => `${relation} ${kind}`)).toEqual([
    'reconciles ReplicaSet.apps',
    'owns Pod',
    'watches Node',
    'create Pod',
    'status ReplicaSet.apps',
  ]);
});
