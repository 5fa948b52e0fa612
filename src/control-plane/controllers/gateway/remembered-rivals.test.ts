import { expect, test } from 'vitest';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { Cached } from '../define-controller.ts';
import { rememberedRivals } from './remembered-rivals.ts';

type Metadata = KubeObject['metadata'];
const objectOf = (kind: string, uid: string, more: object = {}): KubeObject => ({
  apiVersion: 'v1',
  kind,
  metadata: {
    resourceVersion: '1',
    creationTimestamp: '',
    name: uid,
    uid,
    generation: 1,
    labels: { team: 'a' },
    ...more,
  } as Metadata,
});
const lists = (): Record<string, KubeObject[]> => ({
  HTTPRoute: [objectOf('HTTPRoute', 'h1'), objectOf('HTTPRoute', 'h2')],
  GRPCRoute: [objectOf('GRPCRoute', 'g1')],
  Namespace: [objectOf('Namespace', 'n1')],
});
const cachedOf = (objects: Record<string, KubeObject[]>) =>
  ((kind: Kind) => ({ list: () => objects[kind.kind] ?? [] })) as unknown as Cached<Kind>;

test('who looks again after statuses have changed gets the same object, for which all is reckoned already', () => {
  const rivalsIn = rememberedRivals();
  const first = rivalsIn(cachedOf(lists()));
  expect(first.HTTPRoute.map(({ metadata }) => metadata.name)).toEqual(['h1', 'h2']);
  const later = lists();
  later['HTTPRoute'] = [objectOf('HTTPRoute', 'h1', { resourceVersion: '7' }), objectOf('HTTPRoute', 'h2')];
  expect(rivalsIn(cachedOf(later))).toBe(first);
});

test.each([
  ['another specification', 'GRPCRoute', [objectOf('GRPCRoute', 'g1', { generation: 2 })]],
  ['another route of that name', 'GRPCRoute', [objectOf('GRPCRoute', 'g2', { name: 'g1' })]],
  ['a route more', 'HTTPRoute', ['h1', 'h2', 'h3'].map((uid) => objectOf('HTTPRoute', uid))],
  ['a route less', 'HTTPRoute', [objectOf('HTTPRoute', 'h1')]],
  ['other labels of a namespace', 'Namespace', [objectOf('Namespace', 'n1', { labels: { team: 'b' } })]],
])('%s is seen', (_, kind, changed) => {
  const rivalsIn = rememberedRivals();
  const first = rivalsIn(cachedOf(lists()));
  const objects = { ...lists(), [kind]: changed };
  const second = rivalsIn(cachedOf(objects));
  expect(second).not.toBe(first);
  expect(second.HTTPRoute).toEqual(objects['HTTPRoute']);
  expect(second.GRPCRoute).toEqual(objects['GRPCRoute']);
});
