/** Claims, volumes and classes for tests. */

import { Event } from '#api/core/v1/event.ts';
import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from '#api/generated/schema.ts';
import type { Sent } from './builders.ts';
import type { TestCluster } from './cluster.ts';

export const claim = (
  name: string,
  spec: object = {},
  metadata: Partial<PersistentVolumeClaim['metadata']> = {},
): Sent<PersistentVolumeClaim> => ({
  metadata: { name, namespace: 'default', ...metadata },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...spec },
});

export const volume = (
  name: string,
  spec: object = {},
  metadata: Partial<PersistentVolume['metadata']> = {},
): Sent<PersistentVolume> => ({
  metadata: { name, ...metadata },
  spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/data' }, ...spec },
});

export const storageClass = (
  name: string,
  more: object = {},
  metadata: Partial<StorageClass['metadata']> = {},
): Sent<StorageClass> => ({ metadata: { name, ...metadata }, provisioner: 'example.org/disks', ...more });

export const DEFAULT_CLASS = { annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } };

/** `REASON message` of the events about an object, each once, sorted. */
export const eventsAbout = (cluster: TestCluster, name: string): string[] =>
  cluster
    .list(Event)
    .filter(({ involvedObject }) => involvedObject.name === name)
    .map(({ type, reason, message }) => `${type} ${reason} ${message}`)
    .sort();
