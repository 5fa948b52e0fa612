import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { facts } from '#api/generated/facts.ts';
import type { Json, JsonObject } from './json-value.ts';
import { applyMergePatch } from './merge-patch.ts';
import { mergePatchBetween, threeWayMerge } from './three-way-merge.ts';

const type = facts.typeOfKind('apps', 'v1', 'Deployment');
const spec = (of: Json): JsonObject => ({ spec: { template: { spec: of } } });
const merged = (original: JsonObject | undefined, modified: JsonObject, current: JsonObject): JsonObject =>
  threeWayMerge({ original, modified, current }, { type, facts });

describe('what is applied', () => {
  test('wins over what is there, and leaves what others wrote', () => {
    expect(
      merged(
        { metadata: { labels: { a: '1' } } },
        { metadata: { labels: { a: '2' } } },
        { metadata: { labels: { a: '1', other: 'x' } } },
      ),
    ).toEqual({ metadata: { labels: { a: '2', other: 'x' } } });
  });
  test('and is not applied any more goes', () => {
    const was = { metadata: { labels: { a: '1', b: '1' } } };
    expect(
      merged(was, { metadata: { labels: { a: '1' } } }, { metadata: { labels: { a: '1', b: '2', c: '3' } } }),
    ).toEqual({
      metadata: { labels: { a: '1', c: '3' } },
    });
    expect(merged(undefined, {}, was)).toEqual(was);
  });
  test('merges containers by name, in the order of the manifest; those of others stay in front of what they stood before', () => {
    const current = spec({
      containers: [
        { name: 'side', image: 's' },
        { name: 'a', image: '1', env: [{ name: 'X', value: 'x' }] },
        { name: 'gone' },
      ],
    });
    const original = spec({ containers: [{ name: 'gone' }, { name: 'a', image: '1' }] });
    expect(
      merged(
        original,
        spec({
          containers: [
            { name: 'b', image: '2' },
            { name: 'a', image: '3' },
          ],
        }),
        current,
      ),
    ).toEqual(
      spec({
        containers: [
          { name: 'b', image: '2' },
          { name: 'side', image: 's' },
          { name: 'a', image: '3', env: [{ name: 'X', value: 'x' }] },
        ],
      }),
    );
  });
  test('replaces lists that have no key', () => {
    expect(merged(undefined, spec({ tolerations: [{ key: 'b' }] }), spec({ tolerations: [{ key: 'a' }] }))).toEqual(
      spec({ tolerations: [{ key: 'b' }] }),
    );
  });
  test('keeps one member of a union', () => {
    const strategy = (of: Json): JsonObject => ({ spec: { strategy: of } });
    expect(
      merged(
        undefined,
        strategy({ type: 'Recreate' }),
        strategy({ type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } }),
      ),
    ).toEqual(strategy({ type: 'Recreate' }));
    const volumes = (of: Json) => spec({ volumes: [of] });
    expect(
      merged(undefined, volumes({ name: 'v', emptyDir: {} }), volumes({ name: 'v', configMap: { name: 'c' } })),
    ).toEqual(volumes({ name: 'v', emptyDir: {} }));
  });
});

const value = fc.letrec<{ any: Json }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom<Json>('s', 1, true),
    fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('any'), { maxKeys: 3 }) as fc.Arbitrary<Json>,
    fc.array(tie('any'), { maxLength: 2 }) as fc.Arbitrary<Json>,
  ),
})).any;
const object = fc.dictionary(fc.constantFrom('a', 'b', 'c'), value, { maxKeys: 3 }) as fc.Arbitrary<JsonObject>;

test('the patch between two objects leads from one to the other', () => {
  fc.assert(
    fc.property(object, object, (from, to) => {
      const patch = mergePatchBetween(from, to);
      expect(patch === undefined ? from : applyMergePatch(from, patch)).toEqual(to);
    }),
  );
});

test('what is applied again changes nothing', () => {
  fc.assert(
    fc.property(object, object, object, (original, modified, current) => {
      const once = threeWayMerge({ original, modified, current }, { type: undefined, facts });
      const again = threeWayMerge({ original: modified, modified, current: once }, { type: undefined, facts });
      expect(mergePatchBetween(once, again)).toBeUndefined();
    }),
  );
});
