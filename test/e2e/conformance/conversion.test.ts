/** Custom resources of two versions, converted by a webhook in a pod. */
import { describe, expect, test } from 'vitest';
import type { KubeObject } from '#api/machinery/object.ts';
import { type Definition, withDefinitions } from './definitions.ts';
import { playground } from './playground.ts';
import { type ClientConfig, serveWebhooks } from './tls-server.ts';

interface Endpoint extends KubeObject {
  hostPort?: string;
  host?: string;
  port?: string;
}
const strings = (...names: string[]) => ({
  openAPIV3Schema: { type: 'object', properties: Object.fromEntries(names.map((name) => [name, { type: 'string' }])) },
});

describe('conversion webhooks', () => {
  let clientConfig: (path: string) => ClientConfig;
  const ground = playground('conversion', async (it) => {
    clientConfig = await serveWebhooks(it);
    return undefined;
  });
  const withVersions = (group: string, tale: (it: Definition) => Promise<void>) => {
    const webhook = { clientConfig: clientConfig('/convert'), conversionReviewVersions: ['v1'] };
    const versions = [
      { name: 'v1', schema: strings('hostPort') },
      { name: 'v2', schema: strings('host', 'port') },
    ];
    const spec = { conversion: { strategy: 'Webhook', webhook } };
    return withDefinitions(ground(), [{ group, kind: 'Endpoint', versions, spec }], tale);
  };
  const V1 = { hostPort: 'example.com:1234' };
  const V2 = { host: 'example.com', port: '1234' };

  test('CustomResourceConversionWebhook should be able to convert from CR v1 to CR v2', () =>
    withVersions('converted.example.com', async (it) => {
      await ground().api.post(it.objects('v1'), it.object('one', V1, 'v1'));
      const read = await ground().api.get<Endpoint>(`${it.objects('v2')}/one`);
      expect(read).toMatchObject({ apiVersion: 'converted.example.com/v2', ...V2 });
      expect(read.hostPort).toBeUndefined();
      const patched = await ground().api.patch<Endpoint>(`${it.objects('v2')}/one`, { port: '5678' });
      expect(patched.port).toBe('5678');
      expect((await ground().api.get<Endpoint>(`${it.objects('v1')}/one`)).hostPort).toBe('example.com:5678');
    }));

  test('CustomResourceConversionWebhook should be able to convert a non homogeneous list of CRs', () =>
    withVersions('mixed.example.com', async (it) => {
      await ground().api.post(it.objects('v1'), it.object('one', V1, 'v1'));
      await ground().api.patch(
        it.path,
        [
          { op: 'replace', path: '/spec/versions/0/storage', value: false },
          { op: 'replace', path: '/spec/versions/1/storage', value: true },
        ],
        'json',
      );
      await it.established();
      await ground().api.post(it.objects('v2'), it.object('two', V2, 'v2'));
      const list = (version: string) => ground().api.get<{ items: Endpoint[] }>(it.objects(version));
      expect((await list('v1')).items.map(({ hostPort }) => hostPort)).toEqual([
        'example.com:1234',
        'example.com:1234',
      ]);
      expect((await list('v2')).items.map(({ host, port }) => `${host} ${port}`)).toEqual([
        'example.com 1234',
        'example.com 1234',
      ]);
    }));
});
