import { expect, test } from 'vitest';
import type { KubeObject } from '#api/machinery/object.ts';
import { checkConverted } from './converted-object.ts';

const meta = { name: 'a', namespace: 'n', uid: 'u', labels: { x: 'y' }, managedFields: [] };
const original = { apiVersion: 'g/v1', kind: 'Thing', metadata: meta, spec: 1 } as unknown as KubeObject;
const made = (more: object = {}) => ({ apiVersion: 'g/v2', kind: 'Thing', metadata: meta, host: 1, ...more });
const alone = { index: 0, isList: false };
const third = { index: 2, isList: true };

test('all metadata is the original, less labels and annotations', () => {
  const given = made({ metadata: { name: 'a', namespace: 'n', uid: 'u', finalizers: ['f'], annotations: { b: 'c' } } });
  expect(checkConverted(original, given, 'g/v2', alone)).toEqual({
    object: {
      ...made(),
      metadata: { name: 'a', namespace: 'n', uid: 'u', managedFields: [], annotations: { b: 'c' } },
    },
  });
});

test.each<[object | null, string, string]>([
  [
    made({ apiVersion: 'g/v3' }),
    'returned invalid object at index 0: invalid groupVersion (expected g/v2, received g/v3)',
    'returned invalid converted object at index 2: invalid groupVersion (expected g/v2, received g/v3)',
  ],
  [
    made({ kind: 'Other' }),
    'returned invalid object at index 0: invalid kind (expected Thing, received Other)',
    'returned invalid converted object at index 2: invalid kind (expected Thing, received Other)',
  ],
  [
    made({ metadata: { ...meta, uid: 'w' } }),
    'returned invalid object: must have the same UID: u != w',
    'returned invalid converted object at index 2: must have the same UID: u != w',
  ],
  [
    made({ metadata: { ...meta, labels: { x: 1 } } }),
    'returned invalid metadata: metadata.labels[x] must be a string, but is int64 in converted object',
    'returned invalid metadata in object at index 2: metadata.labels[x] must be a string, but is int64 in converted object',
  ],
  [
    made({ metadata: { ...meta, annotations: [] } }),
    'returned invalid metadata: invalid metadata.annotations of type []interface {} in converted object',
    'returned invalid metadata in object at index 2: invalid metadata.annotations of type []interface {} in converted object',
  ],
])('%j is refused, and told by itself or as one of several', (given, one, several) => {
  expect(checkConverted(original, given, 'g/v2', alone)).toEqual({ problem: one });
  expect(checkConverted(original, given, 'g/v2', third)).toEqual({ problem: several });
});

test('labels that stood there already are not judged again', () => {
  const bad = { ...original, metadata: { ...meta, labels: { '-': '-' } } } as unknown as KubeObject;
  expect(checkConverted(bad, { ...made(), metadata: bad.metadata }, 'g/v2', alone)).toHaveProperty('object');
});
