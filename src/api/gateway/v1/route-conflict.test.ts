import { expect, test } from 'vitest';
import type { Gateway } from './gateway.ts';
import type { AnyRoute } from './route.ts';
import { acceptedAttachment } from './route-conflict.ts';

const gateway = {
  metadata: { name: 'web', namespace: 'default' },
  spec: { listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }] },
} as unknown as Gateway;

type RivalKind = 'HTTPRoute' | 'GRPCRoute';
let made = 0;
/** Each younger than those before. */
const route = (kind: RivalKind, ...hostnames: string[]): AnyRoute => {
  const at = `${++made}`.padStart(6, '0');
  return {
    kind,
    metadata: { name: `r${at}`, namespace: 'default', creationTimestamp: at },
    spec: { parentRefs: [{ name: 'web' }], hostnames },
  } as unknown as AnyRoute;
};

/** In the order of the routes. */
function accepted(routes: readonly AnyRoute[]): boolean[] {
  const of = (kind: RivalKind) => routes.filter((one) => one.kind === kind);
  const around = {
    gateway,
    labelsOf: () => ({}),
    rivals: { HTTPRoute: of('HTTPRoute'), GRPCRoute: of('GRPCRoute') },
  };
  return routes.map((one) => acceptedAttachment(one, { name: 'web' }, around).isAccepted);
}

test.each<[string[], string[], boolean]>([
  [['a.example.com'], ['a.example.com'], false],
  [['a.example.com'], ['b.example.com'], true],
  [['*.example.com'], ['a.b.example.com'], false],
  [['a.b.example.com'], ['*.example.com'], false],
  [['*.example.com'], ['example.com'], true],
  [['*.example.com'], ['*.b.example.com'], false],
  [['*.b.example.com'], ['*.example.com'], false],
  [['*.b.example.com'], ['*.c.example.com'], true],
  [['a.example.com'], ['badexample.com', 'a.example.com'], false],
  [[], ['a.example.com'], false],
  [['a.example.com'], [], false],
])('beside an HTTPRoute with %j a younger GRPCRoute with %j: %s', (older, younger, is) =>
  expect(accepted([route('HTTPRoute', ...older), route('GRPCRoute', ...younger)])).toEqual([true, is]),
);

test('one that has lost takes nothing from anybody', () =>
  expect(
    accepted([route('HTTPRoute', 'a.org'), route('GRPCRoute', 'a.org', 'b.org'), route('HTTPRoute', 'b.org')]),
  ).toEqual([true, false, true]));

test('thousands that share a hostname are told apart in one walk', () => {
  const routes = Array.from({ length: 6_000 }, (_, i) => route(i % 2 === 0 ? 'HTTPRoute' : 'GRPCRoute', 'a.org'));
  expect(accepted(routes)).toEqual(routes.map(({ kind }) => kind === 'HTTPRoute'));
});
