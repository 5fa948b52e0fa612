/** What every transport must do, whatever is between a component and the API server. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { StatusError } from '#api/machinery/status.ts';
import { Client } from '#client/client.ts';
import type { Transport, UserInfo, WatchEvent } from '#client/transport.ts';

export interface TransportUnderTest {
  transportFor(user: UserInfo): Transport;
  [Symbol.asyncDispose](): Promise<void>;
}

const ADMIN: UserInfo = { name: 'admin', groups: ['system:masters'] };
const NOBODY: UserInfo = { name: 'nobody', groups: [] };

/** `start` gives an API server with the namespace `default`, RBAC, and the transport in front of it. */
export function transportConformance(name: string, start: () => Promise<TransportUnderTest>): void {
  describe(`the transport ${name}`, () => {
    let under: TransportUnderTest;
    let transport: Transport;
    let client: Client;
    let count = 0;

    beforeAll(async () => {
      under = await start();
      transport = under.transportFor(ADMIN);
      client = new Client(transport);
    });
    afterAll(async () => under[Symbol.asyncDispose]());

    const unique = () => `a${++count}`;
    const configMap = (data: Record<string, string> = {}) => ({
      metadata: { name: unique(), namespace: 'default' },
      data,
    });
    const refusal = async (attempt: Promise<unknown>): Promise<StatusError> => {
      const error = await attempt.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(StatusError);
      return error as StatusError;
    };

    async function take(events: AsyncIterable<WatchEvent>, wanted: number): Promise<WatchEvent[]> {
      const taken: WatchEvent[] = [];
      for await (const event of events) {
        if (event.type !== 'BOOKMARK') taken.push(event);
        if (taken.length === wanted) break;
      }
      return taken;
    }

    test('what is created is answered with its code, named as its kind, and frozen to the bottom', async () => {
      const draft = configMap({ a: 'ä€😀' });
      const object = { ...draft, apiVersion: 'v1', kind: 'ConfigMap' };
      const reply = await transport.request({ method: 'POST', path: '/api/v1/namespaces/default/configmaps', object });
      expect(reply.code).toBe(201);
      expect(reply.object).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap', data: { a: 'ä€😀' } });
      expect(Object.isFrozen((reply.object as ConfigMap).data)).toBe(true);
      expect(Object.isFrozen(draft)).toBe(false);
    });

    test('the items of a list are named and frozen, and a page leads to the next', async () => {
      for (let i = 0; i < 3; i++) await client.create(ConfigMap, configMap());
      const first = await client.list(ConfigMap, { namespace: 'default', limit: 2 });
      expect(first.items).toHaveLength(2);
      expect(first.items[0]).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap' });
      expect(Object.isFrozen(first.items[0])).toBe(true);
      const second = await client.list(ConfigMap, {
        namespace: 'default',
        limit: 2,
        continue: first.metadata.continue,
      });
      expect(second.items[0]?.metadata.name).not.toBe(first.items[0]?.metadata.name);
    });

    test('an update over an older version is a Conflict, a name that is not there NotFound, both with details', async () => {
      const made = await client.create(ConfigMap, configMap());
      await client.update(ConfigMap, { ...made, data: { a: '1' } });
      const conflict = await refusal(client.update(ConfigMap, { ...made, data: { a: '2' } }));
      expect([conflict.code, conflict.reason]).toEqual([409, 'Conflict']);
      const missing = await refusal(client.get(ConfigMap, { namespace: 'default', name: 'missing' }));
      expect(missing.toStatus()).toMatchObject({
        reason: 'NotFound',
        message: 'configmaps "missing" not found',
        details: { name: 'missing', kind: 'configmaps' },
      });
    });

    test('what is invalid comes back with its causes', async () => {
      const error = await refusal(client.create(ConfigMap, { metadata: { name: 'Not_A_Name', namespace: 'default' } }));
      expect(error.code).toBe(422);
      expect(error.details?.causes?.[0]).toMatchObject({ reason: 'FieldValueInvalid', field: 'metadata.name' });
    });

    test('who may not is told so', async () => {
      const error = await refusal(new Client(under.transportFor(NOBODY)).list(ConfigMap, { namespace: 'default' }));
      expect(error.reason).toBe('Forbidden');
      expect(error.message).toContain(
        'configmaps is forbidden: User "nobody" cannot list resource "configmaps" in API group "" in the namespace "default"',
      );
    });

    test('patches of each type work', async () => {
      const made = await client.create(ConfigMap, configMap({ a: '1', b: '2' }));
      await client.patch(ConfigMap, made.metadata as { name: string }, { type: 'merge', patch: { data: { a: null } } });
      await client.patch(ConfigMap, made.metadata as { name: string }, {
        type: 'strategic',
        patch: { data: { c: '3' } },
      });
      const patched = await client.patch(ConfigMap, made.metadata as { name: string }, {
        type: 'json',
        patch: [{ op: 'replace', path: '/data/b', value: '4' }],
      });
      expect(patched.data).toEqual({ b: '4', c: '3' });
    });

    test('a deletion is done when it is answered', async () => {
      const { metadata } = await client.create(ConfigMap, configMap());
      await client.delete(ConfigMap, metadata, { preconditions: { uid: metadata.uid } });
      expect((await refusal(client.get(ConfigMap, metadata))).reason).toBe('NotFound');
    });

    test('warnings arrive', async () => {
      const spec = {
        containers: [
          {
            name: 'main',
            image: 'i',
            ports: [
              { containerPort: 80, name: 'a' },
              { containerPort: 80, name: 'b' },
            ],
          },
        ],
      };
      const object = { apiVersion: 'v1', kind: 'Pod', metadata: { name: unique(), namespace: 'default' }, spec };
      const { warnings } = await transport.request({ method: 'POST', path: '/api/v1/namespaces/default/pods', object });
      expect(warnings.join()).toContain('spec.containers[0].ports[1]: duplicate port definition');
      await client.delete(Pod, object.metadata, { gracePeriodSeconds: 0 });
    });

    test('a watch tells of every change after its start, in order', async () => {
      const { metadata } = await client.list(ConfigMap, { namespace: 'default' });
      const stop = new AbortController();
      const resourceVersion = metadata.resourceVersion ?? '';
      const events = client.watch(ConfigMap, { namespace: 'default', resourceVersion, signal: stop.signal });
      const taken = take(events, 3);
      const made = await client.create(ConfigMap, configMap());
      const changed = await client.update(ConfigMap, { ...made, data: { a: '1' } });
      await client.delete(ConfigMap, made.metadata);
      const seen = (await taken).map(({ type, object }) => [type, object.metadata.name]);
      expect(seen).toEqual(['ADDED', 'MODIFIED', 'DELETED'].map((type) => [type, made.metadata.name]));
      const [, modified] = await take(
        client.watch(ConfigMap, { namespace: 'default', resourceVersion, signal: stop.signal }),
        2,
      );
      expect(modified?.object).toEqual(changed);
      expect(Object.isFrozen(modified?.object.metadata)).toBe(true);
      stop.abort();
    });

    test('a watch ends without an error when it is aborted, also while nothing happens', async () => {
      const stop = new AbortController();
      const events = client.watch(ConfigMap, {
        namespace: 'default',
        fieldSelector: 'metadata.name=none',
        signal: stop.signal,
      });
      const ended = take(events, 1);
      await client.list(ConfigMap);
      stop.abort();
      expect(await ended).toEqual([]);
    });

    test('a watch from a place that never was is refused', async () => {
      const { signal } = new AbortController();
      const watching = take(client.watch(ConfigMap, { namespace: 'default', resourceVersion: 'none', signal }), 1);
      expect((await refusal(watching)).code).toBe(400);
    });

    test('a watch that may not be is refused', async () => {
      const { signal } = new AbortController();
      const nobody = new Client(under.transportFor(NOBODY));
      expect((await refusal(take(nobody.watch(ConfigMap, { namespace: 'default', signal }), 1))).reason).toBe(
        'Forbidden',
      );
    });

    test('an aborted request rejects with the reason', async () => {
      const reason = new Error('enough');
      const signal = AbortSignal.abort(reason);
      const asking = transport.request({ method: 'GET', path: '/api/v1/namespaces/default/configmaps', signal });
      await expect(asking).rejects.toBe(reason);
    });

    test('many requests and watches at once do not disturb each other', async () => {
      const watches = Array.from({ length: 20 }, () => {
        const { signal } = new AbortController();
        return take(client.watch(ConfigMap, { namespace: 'default', labelSelector: 'set=many', signal }), 50);
      });
      const large = 'x'.repeat(20_000);
      const metadata = () => ({ name: unique(), namespace: 'default', labels: { set: 'many' } });
      await Promise.all(
        Array.from({ length: 50 }, () => client.create(ConfigMap, { metadata: metadata(), data: { large } })),
      );
      for (const events of await Promise.all(watches))
        expect(new Set(events.map(({ object }) => object.metadata.name)).size).toBe(50);
    });
  });
}
