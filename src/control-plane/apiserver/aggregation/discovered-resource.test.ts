import { expect, test } from 'vitest';
import { kindOfDiscovered, resourcesOfGroups, resourcesOfList } from './discovered-resource.ts';

const of = { group: 'w.io', version: 'v1' };
const flunders = {
  resource: 'flunders',
  responseKind: { group: 'w.io', version: 'v1', kind: 'Flunder' },
  scope: 'Namespaced',
  singularResource: 'flunder',
  verbs: ['get', 'list'],
  shortNames: ['fl'],
  subresources: [
    { subresource: 'scale', responseKind: { group: 'autoscaling', version: 'v1', kind: 'Scale' }, verbs: ['get'] },
  ],
};

test('a list of resources says the same as aggregated discovery', () => {
  const list = {
    resources: [
      {
        name: 'flunders',
        singularName: 'flunder',
        namespaced: true,
        kind: 'Flunder',
        verbs: ['get', 'list'],
        shortNames: ['fl'],
      },
      {
        name: 'flunders/scale',
        singularName: '',
        namespaced: true,
        group: 'autoscaling',
        version: 'v1',
        kind: 'Scale',
        verbs: ['get'],
      },
    ],
  };
  const groups = {
    items: [
      { metadata: { name: 'other.io' }, versions: [{ version: 'v1', resources: [{ resource: 'x' }] }] },
      {
        metadata: { name: 'w.io' },
        versions: [
          { version: 'v2', resources: [] },
          { version: 'v1', resources: [flunders] },
        ],
      },
    ],
  };
  expect(resourcesOfList(list as never, of)).toEqual([flunders]);
  expect(resourcesOfGroups(groups as never, of)).toEqual([flunders]);
});

test.each([
  {},
  { items: 'x' },
  {
    items: [
      null,
      { metadata: { name: 'w.io' }, versions: [{ version: 'v1', resources: [7, {}, { resource: '../x' }] }] },
    ],
  },
])('what is not as it should be is passed over: %j', (list) => {
  expect(resourcesOfGroups(list as never, of)).toEqual([]);
});

test('it makes a kind that can be listed', () => {
  expect(kindOfDiscovered(of, flunders as never)).toMatchObject({
    group: 'w.io',
    kind: 'Flunder',
    plural: 'flunders',
    listKind: 'FlunderList',
    scope: 'Namespaced',
    verbs: ['get', 'list'],
    subresources: [{ name: 'scale', verbs: ['get'] }],
    servedElsewhere: true,
  });
});
