import { expect, test } from 'vitest';
import type { KubeObject } from '#api/machinery/object.ts';
import { share } from '#api/machinery/shared-parts.ts';
import { deepFreeze } from '#base/deep-freeze.ts';
import {
  copySpliced,
  decode,
  deferredValue,
  encode,
  slotOf,
  slotText,
  splice,
  storageKey,
  takeEncoded,
} from './stored-object.ts';

const parse = (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes).toString());
const object = (extra: object = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'default', uid: 'u', creationTimestamp: 't', resourceVersion: '5' },
  ...extra,
});

test('stored bytes hold no resourceVersion, and get the one of their revision when they are read', () => {
  const bytes = encode(object({ spec: { nodeName: 'a' } }));
  expect(Buffer.from(bytes).toString()).not.toContain('resourceVersion');
  expect(parse(splice(bytes, 77))).toEqual({
    ...object({ spec: { nodeName: 'a' } }),
    metadata: { ...object().metadata, resourceVersion: '77' },
  });
});

for (const [what, extra] of Object.entries({
  'nothing but metadata': {},
  'keys that look like numbers, which JavaScript puts first': { '1': { metadata: { name: 'no' } }, spec: {} },
  'a text that looks like metadata': { spec: { a: '"metadata":{' } },
  'a key __proto__': JSON.parse('{"__proto__":{"x":1},"spec":{}}'),
  'text beyond ASCII': { spec: { a: 'żółć 🙂' } },
})) {
  test(`an object with ${what} survives`, () => {
    const whole = { ...object(), ...extra };
    const expected = JSON.parse(JSON.stringify(whole));
    expected.metadata.resourceVersion = '9';
    expect(parse(splice(encode(whole), 9))).toEqual(expected);
  });
}

test('what objects share, and what is no object at all, is in the bytes of each', () => {
  const spec = share({ nodeName: 'a', containers: [{ name: 'main' }] });
  const states = [{ spec }, { spec: { ...spec, nodeName: 'b' } }, { spec, status: null, count: 1, left: undefined }];
  for (const state of [...states, ...states]) {
    const { resourceVersion: _, ...metadata } = object().metadata;
    expect(parse(encode(object(state)))).toEqual({ ...JSON.parse(JSON.stringify(object(state))), metadata });
  }
});

test('empty metadata leaves no comma behind', () => {
  const bytes = encode({ apiVersion: 'v1', kind: 'X', metadata: {} } as unknown as KubeObject);
  expect(parse(splice(bytes, 3))).toEqual({ apiVersion: 'v1', kind: 'X', metadata: { resourceVersion: '3' } });
});

test('the order is kind, apiVersion, metadata', () => {
  const { metadata, kind, apiVersion } = object();
  expect(Buffer.from(encode({ metadata, spec: {}, kind, apiVersion } as KubeObject)).toString()).toMatch(
    /^\{"kind":"Pod","apiVersion":"v1","metadata":\{"name":"web",.*\},"spec":\{\}\}$/,
  );
});

test('splicing into a larger buffer writes in place and says where it ends', () => {
  const bytes = encode(object());
  const slot = slotOf(bytes);
  const target = Buffer.alloc(1000, 'x');
  const end = copySpliced(bytes, { slot, text: slotText(bytes, slot, 12) }, { target, offset: 10 });
  expect(parse(target.subarray(10, end)).metadata.resourceVersion).toBe('12');
  expect(target[end]).toBe('x'.charCodeAt(0));
});

test('a frozen object can be had back with its bytes, once', () => {
  const frozen = deepFreeze(object());
  const bytes = encode(frozen);
  expect(takeEncoded(bytes)).toBe(frozen);
  expect(takeEncoded(bytes)).toBeUndefined();
  expect(takeEncoded(encode(object()))).toBeUndefined();
  expect(decode(bytes).metadata.name).toBe('web');
});

for (const [what, text] of Object.entries({
  plain: 'x'.repeat(500),
  'beyond ASCII': 'ż🙂'.repeat(100),
  'of control characters': '\u0001'.repeat(200),
  'of quotes': '"'.repeat(300),
})) {
  test(`bytes are made later only of what surely fits: text ${what}`, () => {
    const whole = deepFreeze(object({ spec: { text, [text]: [true, null, -Math.PI / 1e300, {}] } }));
    const { length } = encode(whole);
    expect(deferredValue(whole, length - 1)).toBeUndefined();
    const deferred = deferredValue(whole, 6 * (length + 200))!;
    expect(deferred.object).toBe(whole);
    expect(deferred.bytes).toEqual(encode(whole));
  });
}

const states = [
  {},
  { spec: { ports: [{ port: 80 }, { port: 443 }], name: 'a' } },
  { spec: { ports: [{ port: 80 }, { port: 443, name: 'https' }], name: 'another' } },
  { spec: { ports: [{ port: 80 }], paused: true } },
  { spec: { ports: { port: 80 } } },
  { spec: { ports: null }, status: {} },
  { spec: 'x', status: { conditions: [] } },
].map((extra) => deepFreeze(object(extra)));
test.each(states)('a change is as large as what it makes is: $spec', (known) => {
  const limit = 1e6;
  for (const next of states)
    expect(deferredValue(next, limit, deferredValue(known, limit))?.size).toBe(deferredValue(next, limit)?.size);
});

test('keys are laid out as upstream lays them out', () => {
  expect(
    storageKey({ storagePrefix: 'services/specs', scope: 'Namespaced' }, { namespace: 'default', name: 'web' }),
  ).toBe('/registry/services/specs/default/web');
  expect(storageKey({ storagePrefix: 'minions', scope: 'Cluster' }, { name: 'node-1' })).toBe(
    '/registry/minions/node-1',
  );
});
