import { expect, test } from 'vitest';
import { seededRandom } from '#base/random.ts';
import type { VerbServices } from './behaviour.ts';
import { resolveService } from './resolve-service.ts';

const at = { namespace: 'a', name: 'hook', port: 443 };
const service = (spec: object) => ({ metadata: { namespace: 'a', name: 'hook' }, spec });
const ports = [{ name: 'https', port: 443 }];
const slice = (address: string, more: object = {}) => ({
  metadata: { labels: { 'kubernetes.io/service-name': 'hook' } },
  ports: [{ name: 'https', port: 8443 }],
  endpoints: [{ addresses: [address], ...more }],
});

const services = (stored: object | undefined, slices: readonly object[] = []) =>
  ({
    stored: { get: async () => stored },
    caches: { of: () => ({ list: async () => ({ items: slices.map((one) => ({ object: () => one })) }) }) },
    random: seededRandom(1),
  }) as unknown as Pick<VerbServices, 'stored' | 'caches' | 'random'>;

test('a Service leads to a ready address and the port behind its own', async () => {
  const found = await resolveService(at, services(service({ ports }), [slice('10.1.2.3')]));
  expect(found).toEqual({ host: '10.1.2.3', port: 8443 });
});

test.each([
  ['nobody made it', undefined, [], 'service "hook" not found'],
  ['it is a name elsewhere', service({ type: 'ExternalName' }), [], 'unsupported service type "ExternalName"'],
  ['it has no such port', service({ ports: [{ port: 80 }] }), [], 'no service port 443 found for service "hook"'],
  ['it has no pods', service({ ports }), [], 'no endpoints available for service "hook"'],
  [
    'none is ready',
    service({ ports }),
    [slice('10.1.2.3', { conditions: { ready: false } })],
    'no endpoints available for service "hook"',
  ],
  ['it points at the machine itself', service({ ports }), [slice('127.0.0.1')], 'address not allowed'],
  ['it points at the metadata of a cloud', service({ ports }), [slice('169.254.169.254')], 'address not allowed'],
])('it leads nowhere when %s', async (_, stored, slices, problem) => {
  expect(await resolveService(at, services(stored, slices))).toEqual({ problem });
});
