import { expect, test } from 'vitest';
import type { ObjectMeta } from './object.ts';
import { validateObjectMetaUpdate } from './object-meta.ts';

const standing: ObjectMeta = {
  name: 'web',
  namespace: 'default',
  uid: 'a',
  resourceVersion: '7',
  creationTimestamp: '2026-01-01T00:00:00Z',
  labels: { app: 'not a value!' },
  annotations: { 'not a name!': '' },
  ownerReferences: [{ apiVersion: '', kind: 'Node', name: 'one', uid: 'b' }],
};
const fieldsOf = (next: ObjectMeta) => validateObjectMetaUpdate(next, standing).map(({ field }) => field);

test('of the metadata, an update is judged by what it changes: the very parts that stand were judged before', () => {
  expect(fieldsOf({ ...standing, finalizers: ['example.org/hold'] })).toEqual([]);
});

for (const { part, field } of [
  { part: 'labels', field: 'metadata.labels' },
  { part: 'annotations', field: 'metadata.annotations' },
  { part: 'ownerReferences', field: 'metadata.ownerReferences.apiVersion' },
] as const)
  test(`${part} that an update writes anew are judged`, () => {
    expect(fieldsOf({ ...standing, [part]: structuredClone(standing[part]) })).toEqual([field]);
  });
