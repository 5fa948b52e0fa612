import { expect, test } from 'vitest';
import { StatusError } from '#api/machinery/status.ts';
import { ApplySet } from './apply-set.ts';
import type { ManifestObject } from './manifests.ts';
import { type ServedResource, ServedResources } from './served-resources.ts';
import type { VerbCall } from './verb.ts';

const served = (plural: string, kind: string, more: Partial<ServedResource> = {}): ServedResource => ({
  ...{ group: '', version: 'v1', plural, singular: '', kind, isNamespaced: true },
  ...{ shortNames: [], categories: [], verbs: [], subresources: [], ...more },
});
const SECRETS = served('secrets', 'Secret');
const CONFIG_MAPS = served('configmaps', 'ConfigMap');
const WIDGETS = served('widgets', 'Widget', { group: 'example.com', isNamespaced: false });
const PARENT = { resource: SECRETS, name: 'set', namespace: 'here' };
const PART_OF = 'applyset.kubernetes.io/part-of';

const named = (name: string, { label, namespace }: { label?: string; namespace?: string } = {}) => ({
  metadata: { name, uid: `uid of ${name}`, ...(namespace && { namespace }), labels: { [PART_OF]: label } },
});

/** A server that makes nothing of selectors. `lists`: by path. Its parent remembers ConfigMaps and Widgets, here and there. */
function serverOf(lists: Readonly<Record<string, unknown>>, refusedPath?: string) {
  const asked: string[] = [];
  const refuse = (path: string) => {
    if (path === refusedPath) throw new StatusError('Forbidden', 'you may not');
  };
  const annotations = {
    'applyset.kubernetes.io/tooling': 'kubectl/v1.36.0',
    'applyset.kubernetes.io/contains-group-kinds': 'ConfigMap,Widget.example.com',
    'applyset.kubernetes.io/additional-namespaces': ',there',
  };
  const cluster = {
    resources: async () => new ServedResources([SECRETS, CONFIG_MAPS, WIDGETS]),
    async get(url: string) {
      const [path = ''] = url.split('?');
      refuse(path);
      if (path !== '/api/v1/namespaces/here/secrets/set') return { items: lists[path] ?? [] };
      return { metadata: { ...named('set').metadata, annotations, labels: { 'applyset.kubernetes.io/id': set().id } } };
    },
    async request({ method, path }: { method: string; path: string }) {
      refuse(path);
      asked.push(`${method} ${path.split('?')[0]}`);
      return {};
    },
  };
  const flags = { int: () => -1, string: (name: string) => (name === 'validate' ? 'strict' : ''), bool: () => false };
  const set = () => new ApplySet(PARENT, { cluster, flags } as unknown as VerbCall, 'none');
  return { set: set(), asked };
}

const { id } = serverOf({}).set;

test('only what carries the label of the set goes, and was not applied, and is where the set was', async () => {
  const { set, asked } = serverOf({
    '/api/v1/namespaces/here/configmaps': [
      named('kept', { label: id, namespace: 'here' }),
      named('gone', { label: id, namespace: 'here' }),
      named('of-another-set', { label: 'applyset-x-v1', namespace: 'here' }),
      named('of-none', { namespace: 'here' }),
      { metadata: { name: 'bare', namespace: 'here' } },
    ],
    '/api/v1/namespaces/there/configmaps': [named('far', { label: id, namespace: 'there' })],
    '/api/v1/configmaps': [named('elsewhere', { label: id, namespace: 'elsewhere' })],
    '/apis/example.com/v1/widgets': [named('wide', { label: id }), named('not-mine')],
  });
  await set.begin([]);
  const told: string[] = [];
  await set.prune(new Set(['uid of kept']), (object) => told.push((object as ManifestObject).metadata.name!));
  expect(told).toEqual(['gone', 'far', 'wide']);
  expect(asked).toEqual([
    'PATCH /api/v1/namespaces/here/secrets/set',
    'DELETE /api/v1/namespaces/here/configmaps/gone',
    'DELETE /api/v1/namespaces/there/configmaps/far',
    'DELETE /apis/example.com/v1/widgets/wide',
    'PATCH /api/v1/namespaces/here/secrets/set',
  ]);
});

test.each([
  [
    'cannot be listed',
    '/apis/example.com/v1/widgets',
    'listing example.com/v1, Kind=Widget objects for pruning: you may not',
    [],
  ],
  [
    'cannot be deleted',
    '/apis/example.com/v1/widgets/wide',
    'pruning Widget.example.com wide: you may not',
    ['DELETE /api/v1/namespaces/here/configmaps/gone'],
  ],
])('what %s is told, and the parent goes on remembering it', async (_, path, text, deleted) => {
  const lists = {
    '/api/v1/namespaces/here/configmaps': [named('gone', { label: id, namespace: 'here' })],
    '/apis/example.com/v1/widgets': [named('wide', { label: id })],
  };
  const { set, asked } = serverOf(lists, path);
  await set.begin([]);
  await expect(set.prune(new Set(), () => undefined)).rejects.toThrow(text);
  expect(asked).toEqual(['PATCH /api/v1/namespaces/here/secrets/set', ...deleted]);
});
