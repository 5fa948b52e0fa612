/** Definitions of custom resources: their life, defaults, selectable fields, and what is seen of them. */
import { describe, expect, test } from 'vitest';
import type { CustomResourceDefinition } from '#api/apiextensions/v1/custom-resource-definition.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { eventually } from '../running-cluster.ts';
import { DEFINITIONS, type Definition, withDefinitions } from './definitions.ts';
import { playground } from './playground.ts';

interface List<T = KubeObject> {
  items: T[];
}

describe('custom resource definitions', () => {
  const ground = playground('custom-resources', async () => undefined);

  test('CustomResourceDefinition resources Simple CustomResourceDefinition creating/deleting custom resource definition objects works', async () => {
    await withDefinitions(ground(), [{ group: 'simple.example.com', kind: 'Simple' }], async (simple) => {
      const first = await ground().api.post<KubeObject>(simple.objects(), simple.object('first'));
      expect(await ground().api.get(`${simple.objects()}/first`)).toEqual(first);
      await simple.remove();
      expect((await ground().api.try('GET', simple.objects())).code).toBe(404);
    });
  });

  test('CustomResourceDefinition resources Simple CustomResourceDefinition listing custom resource definition objects works', async () => {
    const of = (kind: string) => ({ group: 'listed.example.com', kind, labels: { listed: 'yes' } });
    await withDefinitions(ground(), [of('Noxu'), of('Foo'), of('Bar')], async () => {
      const selected = `${DEFINITIONS}?labelSelector=listed%3Dyes`;
      const { items } = await ground().api.get<List>(selected);
      expect(items.map(({ metadata }) => metadata.name).sort()).toEqual([
        ...['bars.listed.example.com', 'foos.listed.example.com', 'noxus.listed.example.com'],
      ]);
      await ground().api.delete(selected);
      await eventually('all are gone', async () => (await ground().api.get<List>(selected)).items.length === 0);
    });
  });

  test('CustomResourceDefinition resources Simple CustomResourceDefinition getting/updating/patching custom resource definition status sub-resource works', async () => {
    await withDefinitions(ground(), [{ group: 'status.example.com', kind: 'Simple' }], async ({ path }) => {
      const condition = { type: 'StatusUpdate', status: 'True', reason: 'E2E', message: 'set by a test' };
      // A controller may write beside us.
      const updated = await eventually('the status is updated', async () => {
        const read = await ground().api.get<CustomResourceDefinition>(`${path}/status`);
        expect(read.status?.conditions).toContainEqual(
          expect.objectContaining({ type: 'Established', status: 'True' }),
        );
        return ground().api.put<CustomResourceDefinition>(`${path}/status`, {
          ...read,
          status: { ...read.status, conditions: [...(read.status?.conditions ?? []), condition] },
        });
      });
      expect(updated.status?.conditions).toContainEqual(expect.objectContaining(condition));
      const patched = await ground().api.patch<CustomResourceDefinition>(`${path}/status`, {
        metadata: { annotations: { patched: 'yes' } },
        status: { conditions: [...(updated.status?.conditions ?? []), { ...condition, type: 'StatusPatched' }] },
      });
      expect(patched.status?.conditions).toContainEqual(expect.objectContaining({ type: 'StatusPatched' }));
    });
  });

  test('CustomResourceDefinition resources should include custom resource definition resources in discovery documents', async () => {
    const groups = await ground().api.get<{ groups: { name: string; versions: { version: string }[] }[] }>('/apis');
    const group = groups.groups.find(({ name }) => name === 'apiextensions.k8s.io');
    expect(group?.versions).toContainEqual(expect.objectContaining({ version: 'v1' }));
    const { versions } = await ground().api.get<{ versions: { version: string }[] }>('/apis/apiextensions.k8s.io');
    expect(versions).toContainEqual(expect.objectContaining({ version: 'v1' }));
    const { resources } = await ground().api.get<{ resources: object[] }>('/apis/apiextensions.k8s.io/v1');
    expect(resources).toContainEqual(
      expect.objectContaining({ name: 'customresourcedefinitions', kind: 'CustomResourceDefinition' }),
    );
  });

  test('CustomResourceDefinition resources custom resource defaulting for requests and from storage works', async () => {
    const schema = (b: object) => ({
      openAPIV3Schema: {
        type: 'object',
        properties: { a: { type: 'string', default: 'A' }, b: { type: 'string', ...b } },
      },
    });
    const defined = {
      group: 'defaulted.example.com',
      kind: 'Defaulted',
      versions: [{ name: 'v1', schema: schema({}) }],
    };
    await withDefinitions(ground(), [defined], async (it) => {
      interface Letters extends KubeObject {
        a?: string;
        b?: string;
      }
      const made = await ground().api.post<Letters>(it.objects(), it.object('letters'));
      expect([made.a, made.b]).toEqual(['A', undefined]);
      await ground().api.patch(
        it.path,
        [{ op: 'add', path: '/spec/versions/0/schema/openAPIV3Schema/properties/b/default', value: 'B' }],
        'json',
      );
      await eventually('what was stored is read with the new default', async () => {
        const { a, b } = await ground().api.get<Letters>(`${it.objects()}/letters`);
        return a === 'A' && b === 'B';
      });
      await ground().api.patch(
        it.path,
        [
          { op: 'remove', path: '/spec/versions/0/schema/openAPIV3Schema/properties/a/default' },
          { op: 'replace', path: '/spec/versions/0/schema/openAPIV3Schema/properties/b/default', value: 'C' },
        ],
        'json',
      );
      await eventually('defaults are applied to what is created', async () => {
        const name = `letters-${Math.random().toString(36).slice(2)}`;
        const { a, b } = await ground().api.post<Letters>(it.objects(), it.object(name));
        return a === undefined && b === 'C';
      });
      const kept = await ground().api.get<Letters>(`${it.objects()}/letters`);
      expect([kept.a, kept.b]).toEqual(['A', 'C']); // `a` was stored with its default, `b` never was
    });
  });

  test('CustomResourceDefinition Watch CustomResourceDefinition Watch watch on custom resource definition objects', async () => {
    const defined = { group: 'watched.example.com', kind: 'Noxu', scope: 'Cluster' as const };
    await withDefinitions(ground(), [defined], async (noxu: Definition) => {
      const watch = await ground().api.watchFromNow(noxu.objects());
      try {
        for (const name of ['name1', 'name2']) await ground().api.post(noxu.objects(), noxu.object(name));
        for (const name of ['name1', 'name2'])
          await ground().api.patch(`${noxu.objects()}/${name}`, { num: { num1: 42 } });
        for (const name of ['name1', 'name2']) await ground().api.delete(`${noxu.objects()}/${name}`);
        await eventually('all is seen', async () => watch.events.length >= 6);
        expect(watch.events.map(({ type, object }) => `${type} ${object.metadata.name}`)).toEqual(
          ['ADDED', 'MODIFIED', 'DELETED'].flatMap((type) => [`${type} name1`, `${type} name2`]),
        );
      } finally {
        watch.stop();
      }
    });
  });

  test('CustomResourceFieldSelectors CustomResourceFieldSelectors MUST list and watch custom resources matching the field selector', async () => {
    const version = (name: string, host: string) => ({
      name,
      schema: {
        openAPIV3Schema: {
          type: 'object',
          properties: { [host]: { type: 'string' }, port: { type: 'string' }, 'x-other': { type: 'string' } },
        },
      },
      selectableFields: [{ jsonPath: `.${host}` }, { jsonPath: '.port' }],
    });
    const defined = { group: 'selected.example.com', kind: 'Selected', versions: [version('v1', 'host')] };
    await withDefinitions(ground(), [defined], async (it) => {
      const of = (selector: string) => `${it.objects()}?fieldSelector=${encodeURIComponent(selector)}`;
      const first = await ground().api.watchFromNow(of('host=host1'));
      const both = await ground().api.watchFromNow(of('host=host1,port=80'));
      try {
        await ground().api.post(it.objects(), it.object('one', { host: 'host1', port: '80' }));
        await ground().api.post(it.objects(), it.object('two', { host: 'host1', port: '8080' }));
        await ground().api.post(it.objects(), it.object('three', { host: 'host2', port: '80' }));
        const names = async (selector: string) =>
          (await ground().api.get<List>(of(selector))).items.map(({ metadata }) => metadata.name);
        expect(await names('host=host1')).toEqual(['one', 'two']);
        expect(await names('host=host1,port=80')).toEqual(['one']);
        expect(await names('host!=host1')).toEqual(['three']);
        expect((await ground().api.try('GET', of('x-other=1'))).code).toBe(400);
        await ground().api.patch(`${it.objects()}/one`, { host: 'host2' });
        await ground().api.delete(of('host=host1'));
        const seen = ({ events }: typeof first) => events.map(({ type, object }) => `${type} ${object.metadata.name}`);
        await eventually('the watches see it', async () => first.events.length >= 4 && both.events.length >= 2);
        expect(seen(first)).toEqual(['ADDED one', 'ADDED two', 'DELETED one', 'DELETED two']);
        expect(seen(both)).toEqual(['ADDED one', 'DELETED one']);
      } finally {
        first.stop();
        both.stop();
      }
    });
  });
});
