import { describe, expect, test } from 'vitest';
import { applyJsonPatch } from './json-patch.ts';
import { readJsonPatchStrictly } from './json-patch-operations.ts';
import type { Json, JsonObject } from './json-value.ts';
import { StatusError } from './status.ts';

describe('a JSON patch', () => {
  test.each<[Json, Json, Json]>([
    [{ a: 1 }, [{ op: 'add', path: '/b', value: 2 }], { a: 1, b: 2 }],
    [{ a: [1, 3] }, [{ op: 'add', path: '/a/1', value: 2 }], { a: [1, 2, 3] }],
    [{ a: [1] }, [{ op: 'add', path: '/a/-', value: 2 }], { a: [1, 2] }],
    [{ a: { b: 1 } }, [{ op: 'remove', path: '/a/b' }], { a: {} }],
    [{ a: 1 }, [{ op: 'replace', path: '/a', value: null }], { a: null }],
    [{ a: 1 }, [{ op: 'move', from: '/a', path: '/b' }], { b: 1 }],
    [{ a: { c: 1 } }, [{ op: 'copy', from: '/a', path: '/b' }], { a: { c: 1 }, b: { c: 1 } }],
    [{}, [{ op: 'copy', from: '/a', path: '/b' }], { b: null }],
    [{}, [{ op: 'replace', path: '/a', value: 1 }], { a: 1 }],
    [{ a: 1 }, [{ op: 'replace', path: '', value: { b: 1 } }], { b: 1 }],
    [{ a: 1 }, [{ op: 'add', path: '/b' }], { a: 1, b: null }],
    [{ a: 1 }, [{ op: 'add', path: 'x/b', value: 2 }], { a: 1, b: 2 }],
    [{ a: [1] }, [{ op: 'add', path: '/a/-2', value: 2 }], { a: [2, 1] }],
    [{ a: [1] }, [{ op: 'remove', path: '/a/+0' }], { a: [] }],
    [{ a: { b: 1 } }, [{ op: 'move', from: '/a', path: '/a' }], { a: { b: 1 } }],
    [
      { a: [7] },
      [
        { op: 'test', path: '/b', value: null },
        { op: 'test', path: '/a/-1', value: 7 },
      ],
      { a: [7] },
    ],
    [{ a: 1 }, null, { a: 1 }],
    [
      { a: { c: [1] } },
      [
        { op: 'add', path: '/a/c/-', value: 2 },
        { op: 'copy', from: '/a', path: '/b' },
        { op: 'add', path: '/a/c/-', value: 3 },
        { op: 'move', from: '/a', path: '/z' },
      ],
      { b: { c: [1, 2] }, z: { c: [1, 2, 3] } },
    ],
    [{ 'x/y': { '~': 1 } }, [{ op: 'test', path: '/x~1y/~0', value: 1 }], { 'x/y': { '~': 1 } }],
  ])('turns %j by %j into %j', (document, patch, expected) => {
    expect(applyJsonPatch(document, patch)).toEqual(expected);
  });

  test('the document, the patch and what is shared of them stay as they are', () => {
    const document = JSON.parse('{"a":{"b":[{"c":1}]},"same":{}}') as JsonObject;
    const patch = [
      { op: 'add', path: '/d', value: { e: [] } },
      { op: 'add', path: '/d/e/-', value: 1 },
      { op: 'replace', path: '/a/b/0/c', value: 2 },
    ];
    const before = JSON.stringify([document, patch]);
    const patched = applyJsonPatch(document, patch) as JsonObject;
    expect(patched).toEqual({ a: { b: [{ c: 2 }] }, same: {}, d: { e: [1] } });
    expect(patched['same']).toBe(document['same']);
    expect(JSON.stringify([document, patch])).toBe(before);
  });

  /** As evanphx/json-patch 4.13 says it: what webhooks, policies and `patch --local` show. */
  test.each<[Json, Json, string]>([
    [
      {},
      { op: 'remove', path: '/a' },
      "error in remove for path: '/a': Unable to remove nonexistent key: a: missing value",
    ],
    [{}, { op: 'remove', path: '/b/c' }, 'remove operation does not apply: doc is missing path: "/b/c": missing value'],
    [{}, { op: 'remove', path: '' }, 'remove operation does not apply: doc is missing path: "": missing value'],
    [{ a: [1] }, { op: 'remove', path: '/a/3' }, `error in remove for path: '/a/3': ${beyond(3)}`],
    [{ a: [1] }, { op: 'remove', path: '/a/-3' }, `error in remove for path: '/a/-3': ${beyond(-3)}`],
    [{ a: [1] }, { op: 'remove', path: '/a/-' }, `error in remove for path: '/a/-': ${noIndex('-')}`],
    [
      { a: [1] },
      { op: 'remove', path: '/a/99999999999999999999' },
      'error in remove for path: \'/a/99999999999999999999\': strconv.Atoi: parsing "99999999999999999999": value out of range',
    ],
    [
      { a: 1 },
      { op: 'add', path: '', value: {} },
      'add operation does not apply: doc is missing path: "": missing value',
    ],
    [
      { a: 1 },
      { op: 'add', path: 'x', value: 2 },
      'add operation does not apply: doc is missing path: "x": missing value',
    ],
    [
      { a: null },
      { op: 'add', path: '/a/b', value: 2 },
      'add operation does not apply: doc is missing path: "/a/b": missing value',
    ],
    [{ a: [1] }, { op: 'add', path: '/a/3', value: 2 }, `error in add for path: '/a/3': ${beyond(3)}`],
    [
      { a: [1] },
      { op: 'add', path: '/a/x', value: 2 },
      `error in add for path: '/a/x': value was not a proper array index: 'x': ${noIndex('x')}`,
    ],
    [{}, { op: 'add', value: 2 }, 'add operation failed to decode path: missing value'],
    [
      { a: [1] },
      { op: 'replace', path: '/a/4', value: 1 },
      'replace operation does not apply: doc is missing key: /a/4: missing value',
    ],
    [
      { a: [1] },
      { op: 'replace', path: '/b/x', value: 1 },
      'replace operation does not apply: doc is missing path: /b/x: missing value',
    ],
    [{}, { op: 'replace', path: '', value: 3 }, 'replace operation value must be object or array: %!w(<nil>)'],
    [
      {},
      { op: 'replace', value: 3 },
      'replace operation failed to decode path: operation missing path field: missing value',
    ],
    [
      {},
      { op: 'replace', path: 3, value: 3 },
      'replace operation failed to decode path: json: cannot unmarshal number into Go value of type string',
    ],
    [
      {},
      { op: 'move', from: '/b', path: '/c' },
      "error in move for path: 'b': Unable to remove nonexistent key: b: missing value",
    ],
    [
      {},
      { op: 'move', from: '/b/c', path: '/c' },
      'move operation does not apply: doc is missing from path: /b/c: missing value',
    ],
    [
      {},
      { op: 'move', path: '/c' },
      'move operation failed to decode from: operation, missing from field: missing value',
    ],
    [
      { a: {} },
      { op: 'move', from: '/a', path: '/a/c' },
      'move operation does not apply: doc is missing destination path: /a/c: missing value',
    ],
    [{ a: [1], b: 2 }, { op: 'move', from: '/a/3', path: '/c' }, `error in move for path: '3': ${beyond(3)}`],
    [{ a: [1], b: 2 }, { op: 'move', from: '/b', path: '/a/9' }, `error in move for path: '/a/9': ${beyond(9)}`],
    [
      {},
      { op: 'copy', from: '', path: '/c' },
      'copy operation does not apply: doc is missing from path: : missing value',
    ],
    [{ a: [1] }, { op: 'copy', from: '/a/4', path: '/c' }, `error in copy for from: '/a/4': ${beyond(4)}`],
    [
      { b: 1 },
      { op: 'copy', from: '/b', path: '/c/d' },
      'copy operation does not apply: doc is missing destination path: /c/d: missing value',
    ],
    [{ a: [1], b: 1 }, { op: 'copy', from: '/b', path: '/a/7' }, `error while adding value during copy: ${beyond(7)}`],
    [{ a: 1 }, { op: 'copy', from: '/a' }, 'copy operation failed to decode path: missing value'],
    [{ a: 1 }, { op: 'test', path: '/a', value: 2 }, 'testing value /a failed: test failed'],
    [{ a: 1 }, { op: 'test', path: '/a' }, 'testing value /a failed: test failed'],
    [{ a: 1 }, { op: 'test', path: '', value: { a: 2 } }, 'testing value  failed: test failed'],
    [{ a: [] }, { op: 'test', path: '/a', value: {} }, 'testing value /a failed: test failed'],
    [{ a: 1 }, { op: 'test', path: '/b/c' }, 'test operation does not apply: is missing path: /b/c: missing value'],
    [{ a: [1] }, { op: 'test', path: '/a/c', value: 1 }, `error in test for path: '/a/c': ${noIndex('c')}`],
    [{}, { op: 'dance', path: '/a' }, 'Unexpected kind: dance'],
    [{}, { path: '/a' }, 'Unexpected kind: unknown'],
    [{}, { op: 3, path: '/a' }, 'Unexpected kind: unknown'],
    [{}, null, 'Unexpected kind: unknown'],
  ])("on %j refuses %j with 422 and the library's reason", (document, operation, cause) => {
    const error = thrownBy(() => applyJsonPatch(document, [operation]));
    expect(error).toMatchObject({ code: 422, cause });
    expect(error.message).toBe('the server rejected our request due to an error in our request');
  });

  test.each<[Json, string]>([
    [{ op: 'add' }, 'json: cannot unmarshal object into Go value of type jsonpatch.Patch'],
    ['x', 'json: cannot unmarshal string into Go value of type jsonpatch.Patch'],
    [[3], 'json: cannot unmarshal number into Go value of type jsonpatch.Operation'],
    [[[]], 'json: cannot unmarshal array into Go value of type jsonpatch.Operation'],
  ])('that is none is refused: %j', (patch, message) => {
    expect(thrownBy(() => applyJsonPatch({}, patch))).toMatchObject({ code: 400, message });
  });

  test.each<[Json, ReturnType<typeof readJsonPatchStrictly>]>([
    [
      { op: 'add' },
      { problem: 'json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp', unknown: [] },
    ],
    [[true], { problem: 'json: cannot unmarshal bool into Go value of type handlers.jsonPatchOp', unknown: [] }],
    [
      [{ op: 'add', path: 3 }],
      { problem: 'json: cannot unmarshal number into Go struct field jsonPatchOp.path of type string', unknown: [] },
    ],
    [[null, { op: 'add', path: '/a', value: { c: 1 }, OP: '', foo: 2 }], { unknown: ['[1].OP', '[1].foo'] }],
    [null, { unknown: [] }],
  ])('%j is read strictly as %j', (patch, expected) => {
    expect(readJsonPatchStrictly(patch)).toEqual(expected);
  });

  test('with too many operations is refused whole', () => {
    const patch = Array.from({ length: 10_001 }, () => ({ op: 'test', path: '', value: {} }));
    expect(thrownBy(() => applyJsonPatch({}, patch)).code).toBe(413);
  });

  test('does not change what objects are made of', () => {
    const patched = applyJsonPatch({ data: {} }, [{ op: 'add', path: '/data/__proto__', value: { polluted: true } }]);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    expect(JSON.stringify(patched)).toBe('{"data":{"__proto__":{"polluted":true}}}');
  });
});

const beyond = (index: number) => `Unable to access invalid index: ${index}: invalid index referenced`;
const noIndex = (token: string) => `strconv.Atoi: parsing "${token}": invalid syntax`;

function thrownBy(run: () => unknown): StatusError {
  try {
    run();
  } catch (error) {
    if (error instanceof StatusError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
