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
  const { paths, definitions } = specUnder(spec, (path) => path.startsWith('/apis/a.io/v1/'));
  expect(Object.keys(paths)).toEqual(['/apis/a.io/v1/things']);
  expect(Object.keys(definitions).sort()).toEqual(['Part', 'Thing']);
});

test('a definition that is not the same gets another name, one that is the same stays', () => {
  const base = {
    paths: { '/a': path('Meta') },
    definitions: { Meta: { type: 'object' }, Same: { type: 'string' }, Meta_v2: { type: 'number' } },
  };
  const other = {
    paths: { '/b': path('Meta'), '/a': path('Unused') },
    definitions: {
      Meta: { properties: { same: ref('Same'), own: ref('Meta') } },
      Same: { type: 'string' },
      Unused: {},
    },
  };
  expect(mergedSpec(base, other)).toEqual({
    paths: { '/a': path('Meta'), '/b': path('Meta_v3') },
    definitions: { ...base.definitions, Meta_v3: { properties: { same: ref('Same'), own: ref('Meta_v3') } } },
  });
});

const kindsOf = (...groups: string[]) => ({ 'x-kubernetes-group-version-kind': groups.map((group) => ({ group })) });

test('a definition that two servers know in groups of their own is one, known in all of them', () => {
  const base = { paths: {}, definitions: { Options: { type: 'object', ...kindsOf('', 'apps') } } };
  const other = { paths: { '/b': path('Options') }, definitions: { Options: { type: 'object', ...kindsOf('', 'b') } } };
  expect(mergedSpec(base, other)).toEqual({
    paths: other.paths,
    definitions: { Options: { type: 'object', ...kindsOf('', 'apps', 'b') } },
  });
  const without = { paths: other.paths, definitions: { Options: { type: 'object' } } };
  expect(mergedSpec(base, without).definitions).toEqual(base.definitions);
});

test('what a third server calls as the second did, and means the same by, is not told twice', () => {
  const own = { paths: {}, definitions: { Meta: { type: 'object' } } };
  const second = { paths: { '/b': path('Meta') }, definitions: { Meta: { type: 'string' } } };
  const third = { paths: { '/c': path('Meta') }, definitions: { Meta: { type: 'string' } } };
  expect(mergedSpec(mergedSpec(own, second), third)).toEqual({
    paths: { '/b': path('Meta_v2'), '/c': path('Meta_v2') },
    definitions: { Meta: { type: 'object' }, Meta_v2: { type: 'string' } },
  });
});

test('many definitions are joined, each in one step', () => {
  const definitions = Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`D${i}`, {}]));
  const own = { paths: {}, definitions: { D0: { type: 'string' } } };
  const merged = mergedSpec(own, { paths: { '/a': path('D0') }, definitions });
  expect(Object.keys(merged.definitions)).toHaveLength(100_001);
  expect(merged.paths).toEqual({ '/a': path('D0_v2') });
});
