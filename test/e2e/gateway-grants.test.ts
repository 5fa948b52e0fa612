/** What a Gateway or a route may refer to in another namespace: what a ReferenceGrant there permits. */
import { expect, test } from 'vitest';
import { object } from './conformance/playground.ts';
import { below, GATEWAY_API, gateway, gatewayGround, OWN, route, to } from './gateway-ground.ts';
import { holds } from './running-cluster.ts';
import { tlsSecret } from './tls-secret.ts';

const ground = gatewayGround('gateway-grants', gateway('gate', OWN));
const { answersAre, podIp } = ground;
const OTHERS = 'conformance-gateway-others';

test('a backend of another namespace wants its consent, and what is wrong with a route is told', async () => {
  const { api, namespace } = ground();
  const others = `/api/v1/namespaces/${OTHERS}`;
  const ip = await podIp('server-node3');
  const condition = async (name: string, type: string) => {
    const { status } = await api.get<{ status?: { parents: { conditions: { type: string; reason: string }[] }[] } }>(
      ground().path('HTTPRoute', GATEWAY_API, name),
    );
    return status?.parents[0]?.conditions.find((each) => each.type === type)?.reason;
  };
  const becomes = (reason: string, answer: string) =>
    holds(`${reason} and ${answer}`, async () => {
      expect(await condition('elsewhere', 'ResolvedRefs')).toBe(reason);
      await answersAre(() => [[{ path: '/elsewhere' }, expect.stringMatching(new RegExp(`^${answer}`))]]);
    });
  await api.post('/api/v1/namespaces', { metadata: { name: OTHERS } });
  try {
    await api.post(`${others}/services`, object('Service', 'there', { spec: { ports: [{ name: 'http', port: 80 }] } }));
    await api.post(`/apis/discovery.k8s.io/v1/namespaces/${OTHERS}/endpointslices`, {
      metadata: { name: 'there', labels: { 'kubernetes.io/service-name': 'there' } },
      addressType: 'IPv4',
      ports: [{ name: 'http', port: 8080 }],
      endpoints: [{ addresses: [ip], conditions: { ready: true } }],
    });
    await ground().create(
      route('elsewhere', [{ ...below('/elsewhere'), ...to('there', { namespace: OTHERS }) }]),
      route('nowhere', [{ ...below('/nowhere'), ...to('not-there') }]),
    );
    await becomes('RefNotPermitted', '500');
    await holds('the other lacks its backend', async () => {
      expect([await condition('nowhere', 'Accepted'), await condition('nowhere', 'ResolvedRefs')]).toEqual([
        'Accepted',
        'BackendNotFound',
      ]);
      await answersAre(() => [[{ path: '/nowhere' }, expect.stringMatching(/^500 /)]]);
    });
    const grants = `/apis/gateway.networking.k8s.io/v1beta1/namespaces/${OTHERS}/referencegrants`;
    await api.post(grants, {
      metadata: { name: 'routes' },
      spec: {
        from: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace }],
        to: [{ group: '', kind: 'Service' }],
      },
    });
    await becomes('ResolvedRefs', '200 server-node3');
    await api.delete(`${grants}/routes`);
    await becomes('RefNotPermitted', '500');
  } finally {
    await api.try('DELETE', others);
  }
});

interface Condition {
  type: string;
  status: string;
  reason: string;
  message: string;
}

test('a listener shows a certificate of another namespace where that permits it', async () => {
  const { api, namespace } = ground();
  const [others, host, port] = ['conformance-gateway-lender', 'lent.example.com', 8443];
  const grants = `/apis/gateway.networking.k8s.io/v1beta1/namespaces/${others}/referencegrants`;
  const listener = {
    name: 'lent',
    port,
    protocol: 'HTTPS',
    hostname: host,
    tls: { certificateRefs: [{ name: 'lent', namespace: others }] },
  };
  const conditions = async () => {
    const { status } = await api.get<{ status?: { listeners?: { conditions: Condition[] }[] } }>(
      ground().path('Gateway', GATEWAY_API, 'lent'),
    );
    const said = status?.listeners?.[0]?.conditions ?? [];
    return Object.fromEntries(said.map(({ type, status: is, reason, message }) => [type, [is, reason, message]]));
  };
  const question = { how: 'https', port, host } as const;
  const message = `No ReferenceGrant of ${others} permits the reference to the Secret lent`;
  const refused = () =>
    holds('refused', async () => {
      expect(await conditions()).toMatchObject({
        Accepted: ['True', 'Accepted', expect.any(String)],
        ResolvedRefs: ['False', 'RefNotPermitted', message],
        Programmed: ['False', 'Invalid', expect.any(String)],
      });
      await answersAre(() => [[question, 'ECONNREFUSED']]);
    });
  const shown = () =>
    holds('shown', async () => {
      expect(await conditions()).toMatchObject({
        Accepted: ['True', 'Accepted', expect.any(String)],
        ResolvedRefs: ['True', 'ResolvedRefs', expect.any(String)],
        Programmed: ['True', 'Programmed', expect.any(String)],
      });
      await answersAre(() => [[question, '200 server-node2 by lent']]);
    });
  const grant = (name: string, secret: string) => ({
    metadata: { name },
    spec: {
      from: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', namespace }],
      to: [{ group: '', kind: 'Secret', name: secret }],
    },
  });
  await api.post('/api/v1/namespaces', { metadata: { name: others } });
  try {
    await api.post(`/api/v1/namespaces/${others}/secrets`, tlsSecret('lent', host));
    await api.post(grants, grant('of-another', 'not-lent')); // which helps nobody here
    await ground().create(
      gateway('lent', listener),
      object('HTTPRoute', 'lent', { spec: { parentRefs: [{ name: 'lent' }], rules: [to('two')] } }, GATEWAY_API),
    );
    await refused();
    await api.post(grants, grant('gateways', 'lent'));
    await shown();
    await api.delete(`${grants}/gateways`);
    await refused();
  } finally {
    await api.try('DELETE', `/api/v1/namespaces/${others}`);
  }
});
