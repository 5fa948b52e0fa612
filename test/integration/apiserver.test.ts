/** The verbs on the memory store, the same over both transports: what every other part relies on. */
import { describe, expect, test } from 'vitest';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { WatchEvent } from '#client/transport.ts';
import { eachWithServer, refusal, type VerbsServer } from './verbs-server.ts';

let storage: VerbsServer['storage'];
let client: VerbsServer['client'];

describe.each(['inside the process', 'over TLS'] as const)('%s', (way) => {
  eachWithServer(way, (server) => {
    ({ storage, client } = server);
  });

  const configMap = (name: string, data: Record<string, string> = { a: '1' }, namespace = 'default') => ({
    metadata: { name, namespace },
    data,
  });

  test('what is created can be read at once, under the resourceVersion of the reply, and is frozen', async () => {
    const created = await client.create(ConfigMap, configMap('a'));
    expect(created.metadata).toMatchObject({
      name: 'a',
      namespace: 'default',
      creationTimestamp: '2026-01-01T00:00:00Z',
    });
    expect(created.metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
    const read = await client.get(ConfigMap, { namespace: 'default', name: 'a' });
    expect(read).toEqual(created);
    expect(Object.isFrozen(read.data)).toBe(true);
  });

  test('a name can be had once', async () => {
    await client.create(ConfigMap, configMap('a'));
    const error = await refusal(client.create(ConfigMap, configMap('a')));
    expect(error.toStatus()).toMatchObject({
      code: 409,
      reason: 'AlreadyExists',
      message: 'configmaps "a" already exists',
      details: { name: 'a', kind: 'configmaps' },
    });
  });

  test('a name is generated behind a prefix, and another one when it is taken', async () => {
    const names = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const created = await client.create(ConfigMap, {
        metadata: { generateName: 'web-', namespace: 'default' },
      });
      expect(created.metadata.name).toMatch(/^web-[a-z0-9]{5}$/);
      names.add(created.metadata.name);
    }
    expect(names.size).toBe(20);
  });

  test('what is invalid is refused with every field that is wrong', async () => {
    const error = await refusal(client.create(ConfigMap, configMap('Not_A_Name')));
    expect(error.code).toBe(422);
    expect(error.message).toContain('ConfigMap "Not_A_Name" is invalid: metadata.name: Invalid value: "Not_A_Name"');
    expect(error.details?.causes?.[0]).toMatchObject({ reason: 'FieldValueInvalid', field: 'metadata.name' });
  });

  test('an update with a version that somebody has overtaken is a conflict; without one it means the newest', async () => {
    const first = await client.create(ConfigMap, configMap('a'));
    const second = await client.update(ConfigMap, { ...first, data: { a: '2' } });
    expect(Number(second.metadata.resourceVersion)).toBeGreaterThan(Number(first.metadata.resourceVersion));
    const error = await refusal(client.update(ConfigMap, { ...first, data: { a: '3' } }));
    expect(error.message).toBe(
      'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
    );
    const third = await client.update(ConfigMap, configMap('a', { a: '4' }));
    expect(third.data).toEqual({ a: '4' });
    expect(third.metadata.uid).toBe(first.metadata.uid);
  });

  test('an update that changes nothing is no write', async () => {
    const first = await client.create(ConfigMap, configMap('a'));
    const revision = await storage.currentRevision();
    const same = await client.update(ConfigMap, { ...first, data: { a: '1' } });
    expect(same.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
    expect(await storage.currentRevision()).toBe(revision);
  });

  test('patches are applied to what is stored, also when many come at once', async () => {
    await client.create(ConfigMap, configMap('a', {}));
    const at = { namespace: 'default', name: 'a' };
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        client.patch(ConfigMap, at, { type: 'merge', patch: { data: { [`k${i}`]: String(i) } } }),
      ),
    );
    const { data } = await client.get(ConfigMap, at);
    expect(Object.keys(data ?? {})).toHaveLength(20);
    const patched = await client.patch(ConfigMap, at, {
      type: 'json',
      patch: [{ op: 'remove', path: '/data/k0' }],
    });
    expect(patched.data).not.toHaveProperty('k0');
  });

  test('server-side apply makes, changes, and is refused without a manager or over somebody else', async () => {
    const apply = (data: Record<string, string>, query: string) =>
      client.transport.request({
        method: 'PATCH',
        path: `/api/v1/namespaces/default/configmaps/a${query}`,
        contentType: 'application/apply-patch+yaml',
        object: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data },
      });
    const unnamed = await refusal(apply({ a: '1' }, ''));
    expect(unnamed.code).toBe(422);
    expect(unnamed.message).toBe(
      'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
    );
    expect((await apply({ a: '1', b: '1' }, '?fieldManager=one')).code).toBe(201);
    expect((await apply({ a: '1' }, '?fieldManager=one')).object).toMatchObject({ data: { a: '1' } });
    const conflict = await refusal(apply({ a: '2' }, '?fieldManager=two'));
    expect(conflict).toMatchObject({ code: 409, reason: 'Conflict' });
    expect(conflict.message).toBe('Apply failed with 1 conflict: conflict with "one": .data.a');
    expect((await apply({ a: '2' }, '?fieldManager=two&force=true')).code).toBe(200);
    const { data, metadata } = await client.get(ConfigMap, { namespace: 'default', name: 'a' });
    expect(data).toEqual({ a: '2' });
    expect(metadata.managedFields?.map(({ manager }) => manager)).toEqual(['two']);
  });

  test('a delete removes at once, and answers with what was deleted', async () => {
    const created = await client.create(ConfigMap, configMap('a'));
    const reply = await client.transport.request({ method: 'DELETE', path: '/api/v1/namespaces/default/configmaps/a' });
    expect(reply).toMatchObject({
      code: 200,
      object: {
        kind: 'Status',
        status: 'Success',
        details: { name: 'a', kind: 'configmaps', uid: created.metadata.uid },
      },
    });
    expect((await refusal(client.get(ConfigMap, { namespace: 'default', name: 'a' }))).reason).toBe('NotFound');
  });

  test('an update or a patch of an object that took the name of another is refused', async () => {
    const first = await client.create(ConfigMap, configMap('a'));
    await client.delete(ConfigMap, { namespace: 'default', name: 'a' });
    await client.create(ConfigMap, configMap('a'));
    const { resourceVersion: _, ...metadata } = first.metadata;
    const error = await refusal(client.update(ConfigMap, { ...first, metadata }));
    expect(error.reason).toBe('Conflict');
    expect(error.message).toContain(`Precondition failed: UID in precondition: ${first.metadata.uid}`);
  });

  test('an object stays where its URL says', async () => {
    await client.create(ConfigMap, configMap('a'));
    const put = (object: object) =>
      refusal(client.transport.request({ method: 'PUT', path: '/api/v1/namespaces/default/configmaps/a', object }));
    expect((await put(configMap('b'))).message).toBe(
      'the name of the object (b) does not match the name on the URL (a)',
    );
    expect((await put(configMap('a', {}, 'other'))).message).toBe(
      'the namespace of the provided object does not match the namespace sent on the request',
    );
    expect((await put({ ...configMap('a'), kind: 'Secret', apiVersion: 'v1' })).message).toContain(
      'Secret in version "v1" cannot be handled as a ConfigMap',
    );
    expect((await put({ ...configMap('a'), kind: 'ConfigMap', apiVersion: 'v2' })).message).toBe(
      'the API version in the data (v2) does not match the expected API version (v1)',
    );
    const renamed = { metadata: { name: 'b' } };
    const patched = await refusal(
      client.patch(ConfigMap, { namespace: 'default', name: 'a' }, { type: 'merge', patch: renamed }),
    );
    expect(patched.message).toContain('metadata.name: Invalid value: "b": field is immutable');
  });

  test('a delete with the wrong uid is refused', async () => {
    await client.create(ConfigMap, configMap('a'));
    const error = await refusal(
      client.delete(ConfigMap, { namespace: 'default', name: 'a' }, { preconditions: { uid: 'other' } }),
    );
    expect(error.code).toBe(409);
    expect(error.message).toContain('the UID in the precondition (other) does not match the UID in record (');
  });

  test('an object with finalizers is marked, and goes with the last of them', async () => {
    const at = { namespace: 'default', name: 'a' };
    await client.create(ConfigMap, { metadata: { ...at, finalizers: ['example.com/wait'] } });
    await client.delete(ConfigMap, at);
    const marked = await client.get(ConfigMap, at);
    expect(marked.metadata).toMatchObject({ deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 0 });
    await client.update(ConfigMap, { ...marked, metadata: { ...marked.metadata, finalizers: [] } });
    expect((await refusal(client.get(ConfigMap, at))).reason).toBe('NotFound');
  });

  test('the policy of a delete becomes a finalizer', async () => {
    const at = { namespace: 'default', name: 'a' };
    await client.create(ConfigMap, configMap('a'));
    await client.delete(ConfigMap, at, { propagationPolicy: 'Foreground' });
    expect((await client.get(ConfigMap, at)).metadata.finalizers).toEqual(['foregroundDeletion']);
  });

  const pod = (name: string, more: object = {}) => ({
    metadata: { name, namespace: 'default', labels: { app: 'web' } },
    spec: { containers: [{ name: 'c', image: 'i' }], ...more },
  });

  test('a pod with a node gets its grace period; the second delete may shorten it, the one with 0 ends it', async () => {
    const at = { namespace: 'default', name: 'p' };
    await client.create(Pod, pod('p') as never);
    await client.createSubresource(
      Pod,
      { ...at, subresource: 'binding' },
      {
        metadata: { name: 'p' },
        target: { kind: 'Node', name: 'n1' },
      },
    );
    const bound = await client.get(Pod, at);
    expect(bound.spec.nodeName).toBe('n1');
    expect(bound.status?.conditions).toMatchObject([{ type: 'PodScheduled', status: 'True' }]);

    await client.delete(Pod, at);
    expect((await client.get(Pod, at)).metadata).toMatchObject({
      deletionGracePeriodSeconds: 30,
      deletionTimestamp: '2026-01-01T00:00:30Z',
    });
    await client.delete(Pod, at, { gracePeriodSeconds: 5 });
    expect((await client.get(Pod, at)).metadata).toMatchObject({
      deletionGracePeriodSeconds: 5,
      deletionTimestamp: '2026-01-01T00:00:05Z',
    });
    await client.delete(Pod, at, { gracePeriodSeconds: 0 });
    expect((await refusal(client.get(Pod, at))).reason).toBe('NotFound');
  });

  test('a pod is bound once', async () => {
    await client.create(Pod, pod('p', { nodeName: 'n1' }) as never);
    const error = await refusal(
      client.createSubresource(
        Pod,
        { namespace: 'default', name: 'p', subresource: 'binding' },
        {
          metadata: { name: 'p' },
          target: { name: 'n2' },
        },
      ),
    );
    expect(error.message).toBe(
      'Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n1"',
    );
  });

  test('a status update changes the status alone, a main update all else', async () => {
    const at = { namespace: 'default', name: 'p' };
    const created = await client.create(Pod, pod('p') as never);
    expect(created.metadata.generation).toBe(1);
    const updated = await client.updateStatus(Pod, {
      ...created,
      spec: { ...created.spec, nodeName: 'smuggled' },
      status: { ...created.status!, phase: 'Running' },
    });
    expect(updated.spec.nodeName).toBeUndefined();
    expect(updated.status?.phase).toBe('Running');
    const main = await client.update(Pod, { ...updated, status: { ...updated.status!, phase: 'Failed' } });
    expect(main.status?.phase).toBe('Running');
    expect((await client.get(Pod, at)).metadata.generation).toBe(1);
  });

  test('lists select by labels and fields, and come in pages of one version', async () => {
    for (const name of ['a', 'b', 'c', 'd']) await client.create(Pod, pod(name, { nodeName: `n-${name}` }) as never);
    await client.create(Pod, { ...pod('x'), metadata: { name: 'x', namespace: 'other' } } as never);
    const names = async (options: object) =>
      (await client.list(Pod, options)).items.map(({ metadata }) => metadata.name);
    expect(await names({})).toEqual(['a', 'b', 'c', 'd', 'x']);
    expect(await names({ namespace: 'other' })).toEqual(['x']);
    expect(await names({ labelSelector: 'app=web' })).toEqual(['a', 'b', 'c', 'd']);
    expect(await names({ labelSelector: '!app' })).toEqual(['x']);
    expect(await names({ fieldSelector: 'spec.nodeName=n-b' })).toEqual(['b']);
    expect(await names({ fieldSelector: 'metadata.name!=a,metadata.namespace=default' })).toEqual(['b', 'c', 'd']);
    expect((await refusal(client.list(Pod, { fieldSelector: 'spec.foo=x' }))).message).toBe(
      'field label not supported: spec.foo',
    );

    const first = await client.list(Pod, { limit: 2 });
    expect(first.items).toHaveLength(2);
    expect(first.metadata.remainingItemCount).toBe(3);
    await client.delete(Pod, { namespace: 'default', name: 'c' });
    const rest = await client.list(Pod, { limit: 10, continue: first.metadata.continue! });
    expect(rest.items.map(({ metadata }) => metadata.name)).toEqual(['c', 'd', 'x']);
    expect(rest.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
  });

  test('a collection is deleted by its selector', async () => {
    await client.create(ConfigMap, { metadata: { name: 'a', namespace: 'default', labels: { go: 'yes' } } });
    await client.create(ConfigMap, { metadata: { name: 'b', namespace: 'default' } });
    await client.transport.request({
      method: 'DELETE',
      path: '/api/v1/namespaces/default/configmaps?labelSelector=go%3Dyes',
    });
    expect((await client.list(ConfigMap)).items.map(({ metadata }) => metadata.name)).toEqual(['b']);
  });

  async function take(events: AsyncIterable<WatchEvent>, count: number): Promise<string[]> {
    const seen: string[] = [];
    for await (const { type, object } of events) {
      const end = object.metadata.annotations?.['k8s.io/initial-events-end'] ? ' end' : '';
      seen.push(`${type}${object.metadata.name ? ` ${object.metadata.name}` : ''}${end}`);
      if (seen.length === count) break;
    }
    return seen;
  }

  test('a watch shows what is there, says where that ends, and goes on with what happens', async () => {
    await client.create(ConfigMap, configMap('a'));
    const signal = new AbortController().signal;
    const path =
      '/api/v1/configmaps?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
    const watching = take(client.transport.watch({ path, signal }), 5);
    await client.create(ConfigMap, configMap('b'));
    await client.patch(ConfigMap, { namespace: 'default', name: 'b' }, { type: 'merge', patch: { data: { x: 'y' } } });
    await client.delete(ConfigMap, { namespace: 'default', name: 'b' });
    const seen = await watching;
    expect(seen).toContain('BOOKMARK end');
    expect(seen.filter((event) => !event.startsWith('BOOKMARK'))).toContain('ADDED a');
    expect(seen).toContain('ADDED b');
  });

  test('a watch from a version on gets each change, also those that leave or enter its selector', async () => {
    const { metadata } = await client.list(ConfigMap);
    const signal = new AbortController().signal;
    const path = `/api/v1/configmaps?watch=1&labelSelector=in%3Dyes&resourceVersion=${metadata.resourceVersion}`;
    const watching = take(client.transport.watch({ path, signal }), 3);
    const at = { namespace: 'default', name: 'a' };
    await client.create(ConfigMap, configMap('a'));
    const label = (value: string) =>
      client.patch(ConfigMap, at, { type: 'merge', patch: { metadata: { labels: { in: value } } } });
    await label('yes');
    await client.patch(ConfigMap, at, { type: 'merge', patch: { data: { b: '2' } } });
    await label('no');
    expect(await watching).toEqual(['ADDED a', 'MODIFIED a', 'DELETED a']);
  });

  test('a dry run does all but store', async () => {
    const path = '/api/v1/namespaces/default/configmaps?dryRun=All';
    const reply = await client.transport.request({ method: 'POST', path, object: configMap('a') });
    expect(reply.code).toBe(201);
    expect((await client.list(ConfigMap)).items).toHaveLength(0);
  });

  test('a Secret of a certificate and a key that are none is kept with a warning, whenever it is written', async () => {
    const path = '/api/v1/namespaces/default/secrets';
    const secret = { metadata: { name: 'pair' }, type: 'kubernetes.io/tls', data: { 'tls.crt': '', 'tls.key': '' } };
    const warning = ['tls: failed to find any PEM data in certificate input'];
    const write = async (method: 'POST' | 'PUT', at: string, object: object) =>
      (await client.transport.request({ method, path: at, object })).warnings;
    expect(await write('POST', path, secret)).toEqual(warning);
    expect(await write('PUT', `${path}/pair`, { ...secret, metadata: { name: 'pair', labels: { a: 'b' } } })).toEqual(
      warning,
    );
    expect(await write('POST', path, { ...secret, metadata: { name: 'other' }, type: 'other' })).toEqual([]);
  });

  test('unknown fields are dropped with a warning, or refused', async () => {
    const object = { ...configMap('a'), dada: {} };
    const post = (query: string) =>
      client.transport.request({ method: 'POST', path: `/api/v1/namespaces/default/configmaps${query}`, object });
    const error = await refusal(post('?fieldValidation=Strict'));
    expect(error.message).toBe(
      'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "dada"',
    );
    expect((await post('')).warnings).toEqual(['unknown field "dada"']);
  });
});
