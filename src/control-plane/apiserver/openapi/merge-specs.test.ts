import { expect, test } from 'vitest';
import { mergedSpec, specUnder } from './merge-specs.ts';

const ref = (name: string) => ({ $ref: `#/definitions/${name}` });
const path = (name: string) => ({ get: { responses: { 200: { schema: ref(name) } } } });

test('of another server only its own group and what that needs is taken', () => {
  const spec = {
    paths: {
      '/apis/a.io/v1/things': path('Thing'),
      '/apis/a.io/v1beta1/things': path('Old'),
      '/version/': path('Version'),
    },
    definitions: {
      Thing: { properties: { part: ref('Part'), self: ref('Thing') } },
      Part: { type: 'string' },
      Old: {},
      Version: {},
    },
  };
  const { paths, definitions } = specUnder(spec, '/apis/a.io/v1/');
  expect(Object.keys(paths)).toEqual(['/apis/a.io/v1/things']);
  expect(Object.keys(definitions).sort()).toEqual(['Part', 'Thing']);
});

test('a definition that is not the same gets another name, one that is the same stays', () => {
  const base = {
    paths: { '/a': path('Meta') },
    definitions: { Meta: { type: 'object' }, Same: { type: 'string' }, Meta_v2: { type: 'number' } },
  };
  const other = {
    paths: { '/b': path('Meta'), '/a': path('Same') },
    definitions: { Meta: { properties: { same: ref('Same'), own: ref('Meta') } }, Same: { type: 'string' } },
  };
  expect(mergedSpec(base, other)).toEqual({
    paths: { '/a': path('Meta'), '/b': path('Meta_v3') },
    definitions: { ...base.definitions, Meta_v3: { properties: { same: ref('Same'), own: ref('Meta_v3') } } },
  });
});
