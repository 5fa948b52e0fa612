import { expect, test } from 'vitest';
import type { ConfigMap } from '#api/generated/schema.ts';
import type { Log } from '#base/log.ts';
import { silentLog } from '#base/log.ts';
import type { Informers } from '#client/informer.ts';
import { keepUpstreamsCurrent } from './keep-upstreams-current.ts';
import { upstreamsFor } from './upstreams.ts';

test('the settings are followed, and without them it is the node that knows whom to ask', () => {
  let tell: (change: { now: Partial<ConfigMap> | undefined }) => void = () => undefined;
  const scopes: unknown[] = [];
  const informers = {
    for: (_: unknown, scope: unknown) => {
      scopes.push(scope);
      return {
        onChange: (listener: typeof tell) => {
          tell = listener;
          return () => undefined;
        },
      };
    },
  } as unknown as Informers;
  const warnings: string[] = [];
  const log: Log = { ...silentLog, warn: (text) => void warnings.push(text) };
  const ofNode = [{ host: '192.0.2.9', port: 53 }];
  const upstreams = keepUpstreamsCurrent({ informers, ofNode, log, signal: new AbortController().signal });
  const hosts = () => upstreamsFor(upstreams(), 'www.acme.example').map(({ host }) => host);

  expect(scopes).toEqual([{ namespace: 'kube-system', fieldSelector: 'metadata.name=kube-dns' }]);
  expect(hosts()).toEqual(['192.0.2.9']);
  tell({ now: { data: { stubDomains: '{"acme.example":["192.0.2.1"]}' } } });
  expect(hosts()).toEqual(['192.0.2.1']);
  tell({ now: { data: { stubDomains: 'nonsense' } } });
  expect(hosts()).toEqual(['192.0.2.9']);
  expect(warnings).toHaveLength(1);
  tell({ now: undefined });
  expect(hosts()).toEqual(['192.0.2.9']);
});
