/** What single kinds are given when they are created, and what an endpoint may change of them. */
import { expect, test } from 'vitest';
import { submitted } from '#testing/submitted-object.ts';
import type * as schema from './generated/schema.ts';
import type { KubeObject } from './machinery/object.ts';

const template = (labels: object = { app: 'web' }, spec: object = {}) => ({
  metadata: { labels },
  spec: { containers: [{ name: 'web', image: 'web:1' }], ...spec },
});

test('what is written as text in a Secret is stored as data', () => {
  const { kind, object } = submitted<schema.Secret>('v1', 'Secret', {
    data: { a: 'eA==', b: 'eQ==' },
    stringData: { b: 'ü' },
  });
  expect(kind.defaults(object)).toMatchObject({ type: 'Opaque', data: { a: 'eA==', b: 'w7w=' } });
  expect(Object.keys(kind.defaults(object))).not.toContain('stringData');
});

test('a Namespace begins with its label, its finalizer and its phase', () => {
  const { kind, object } = submitted<schema.Namespace>('v1', 'Namespace', {});
  const created = kind.prepareForCreate(object);
  expect(created).toMatchObject({
    metadata: { labels: { 'kubernetes.io/metadata.name': 'a' } },
    spec: { finalizers: ['kubernetes'] },
    status: { phase: 'Active' },
  });
  const emptied = kind.prepareForUpdate({ ...object, spec: { finalizers: [] } } as KubeObject, created, '');
  expect(emptied).toMatchObject({ spec: { finalizers: ['kubernetes'] } });
  const finalized = kind.prepareForUpdate({ ...object, spec: { finalizers: [] } } as KubeObject, created, 'finalize');
  expect(finalized).toMatchObject({ spec: { finalizers: [] } });
});

test('a Job finds its pods by its uid', () => {
  const { kind, object } = submitted<schema.Job>('batch/v1', 'Job', {
    spec: { template: template({}, { restartPolicy: 'Never' }) },
  });
  const { spec } = kind.prepareForCreate(object) as schema.Job;
  expect(spec).toMatchObject({ completions: 1, parallelism: 1, backoffLimit: 6, completionMode: 'NonIndexed' });
  expect(spec.selector).toEqual({ matchLabels: { 'batch.kubernetes.io/controller-uid': 'u' } });
  expect(spec.template.metadata?.labels).toEqual({
    'batch.kubernetes.io/controller-uid': 'u',
    'controller-uid': 'u',
    'batch.kubernetes.io/job-name': 'a',
    'job-name': 'a',
  });
});
