/** What single resources do beyond the verbs, the same over both transports: Services, Events, evictions, requests for certificates. */
import { describe, expect, test } from 'vitest';
import { Deployment } from '#api/apps/v1/deployment.ts';
import { Event } from '#api/core/v1/event.ts';
import { Namespace } from '#api/core/v1/namespace.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { Service } from '#api/core/v1/service.ts';
import { IPAddress } from '#api/networking/v1/ip-address.ts';
import { PodDisruptionBudget } from '#api/policy/v1/pod-disruption-budget.ts';
import { adminIdentity } from '#cmd/pki/cluster-identities.ts';
import { eachWithServer, refusal, type VerbsServer } from './verbs-server.ts';

let api: VerbsServer['api'];
let client: VerbsServer['client'];
let clock: VerbsServer['clock'];

/** O=dev, CN=bob; made with openssl req -new. */
const CERTIFICATE_REQUEST = `-----BEGIN CERTIFICATE REQUEST-----
MIHWMH4CAQAwHDEMMAoGA1UECgwDZGV2MQwwCgYDVQQDDANib2IwWTATBgcqhkjO
PQIBBggqhkjOPQMBBwNCAAR8NlSa8OAWTpsda8YySFuqLEstCewZK8IWGLrqrBGd
x+1Ki3UcPLjUtlLJ0bOj7GPsHFn26TjdhVAZJOn73m82oAAwCgYIKoZIzj0EAwID
SAAwRQIgdK1Oce+BHtWoeS3SGMLkSmm+8Os7bOar4fNr5DMu/w8CIQDVjwF5OsfO
cUU2K7XrF+E/ODRIIphY7+WgLH3INVTXbw==
-----END CERTIFICATE REQUEST-----
`;

describe.each(['inside the process', 'over TLS'] as const)('%s', (way) => {
  eachWithServer(way, (server) => {
    ({ api, client, clock } = server);
  });

  test('a Namespace goes when its finalizer is gone', async () => {
    await client.create(Namespace, { metadata: { name: 'room' } } as never);
    await client.delete(Namespace, { name: 'room' });
    const going = await client.get(Namespace, { name: 'room' });
    expect(going.status?.phase).toBe('Terminating');
    await client.update(Namespace, { ...going, spec: { finalizers: [] } }, 'finalize');
    expect((await refusal(client.get(Namespace, { name: 'room' }))).reason).toBe('NotFound');
  });

  const service = (name: string, spec: object = {}) =>
    ({ metadata: { name, namespace: 'default' }, spec: { ports: [{ port: 80 }], ...spec } }) as never;

  test('a Service gets an address and node ports, keeps them on update, and gives them back', async () => {
    const created = await client.create(Service, service('a', { type: 'NodePort' }));
    expect(created.spec.clusterIP).toMatch(/^10\.96\.0\.\d+$/);
    expect(created.spec).toMatchObject({ ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' });
    const nodePort = created.spec.ports?.[0]?.nodePort;
    expect(nodePort).toBeGreaterThanOrEqual(30000);
    const updated = await client.update(Service, service('a', { type: 'NodePort', selector: { app: 'web' } }));
    expect(updated.spec).toMatchObject({ clusterIP: created.spec.clusterIP, ports: [{ nodePort }] });

    const taken = await refusal(client.create(Service, service('b', { clusterIP: created.spec.clusterIP })));
    expect(taken.code).toBe(422);
    expect(taken.message).toContain(
      `failed to allocate IP ${created.spec.clusterIP}: provided IP is already allocated`,
    );
    const port = await refusal(
      client.create(Service, service('b', { type: 'NodePort', ports: [{ port: 80, nodePort }] })),
    );
    expect(port.message).toBe(
      `Service "b" is invalid: spec.ports[0].nodePort: Invalid value: ${nodePort}: provided port is already allocated`,
    );
    await client.delete(Service, { namespace: 'default', name: 'a' });
    const again = await client.create(
      Service,
      service('b', { type: 'NodePort', clusterIP: created.spec.clusterIP, ports: [{ port: 80, nodePort }] }),
    );
    expect(again.spec.clusterIP).toBe(created.spec.clusterIP);
  });

  test('an IPv6 address is one, however it is written', async () => {
    const written = (name: string, ip: string) => service(name, { ipFamilies: ['IPv6'], clusterIP: ip });
    const created = await client.create(Service, written('a', 'FD00:96:0::20'));
    expect(created.spec.clusterIPs).toEqual(['FD00:96:0::20']);
    expect((await client.get(IPAddress, { name: 'fd00:96::20' })).spec?.parentRef?.name).toBe('a');
    expect((await refusal(client.create(Service, written('b', 'fd00:96::20')))).message).toContain(
      'failed to allocate IP fd00:96::20: provided IP is already allocated',
    );
    await client.delete(Service, { namespace: 'default', name: 'a' });
    await client.create(Service, written('b', 'fd00:96::20'));
  });

  test('of addresses that do not fit together everything is told; a health check port that nobody can have is an error of the server', async () => {
    const unfit = service('a', { clusterIPs: ['10.96.0.7', '10.96.0.8'], ipFamilies: ['IPv6'] });
    expect((await refusal(client.create(Service, unfit))).message).toBe(
      'Service "a" is invalid: [spec.clusterIPs: Invalid value: ["10.96.0.7","10.96.0.8"]: must be empty when `clusterIP` is not specified, ' +
        'spec.clusterIPs: Invalid value: ["10.96.0.7","10.96.0.8"]: may specify no more than one IP for each IP family, ' +
        'spec.clusterIPs[0]: Invalid value: "10.96.0.7": expected an IPv6 value as indicated by `ipFamilies[0]`]',
    );
    const local = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 70000 };
    expect((await refusal(client.create(Service, service('a', local)))).message).toBe(
      'Internal error occurred: failed to allocate requested HealthCheck NodePort 70000: provided port is not in the valid range. The range of valid ports is 30000-30010',
    );
  });

  test('a Service with a bad name is told so, also when it asks for a port that is taken', async () => {
    await client.create(Service, service('a', { type: 'NodePort', ports: [{ port: 80, nodePort: 30001 }] }));
    const again = service('myApp', { type: 'NodePort', ports: [{ port: 80, nodePort: 30001 }] });
    expect((await refusal(client.create(Service, again))).message).toContain(
      'Service "myApp" is invalid: metadata.name: Invalid value: "myApp": a lowercase RFC 1123 label must consist of',
    );
  });

  test('Services that are created at once never share an address or a node port', async () => {
    const created = await Promise.all(
      Array.from({ length: 11 }, (_, i) => client.create(Service, service(`s${i}`, { type: 'NodePort' }))),
    );
    expect(new Set(created.map(({ spec }) => spec.clusterIP)).size).toBe(11);
    expect(new Set(created.map(({ spec }) => spec.ports?.[0]?.nodePort)).size).toBe(11);
    const full = await refusal(client.create(Service, service('more', { type: 'NodePort' })));
    expect(full.message).toContain('failed to allocate a nodePort: range is full');
  });

  test('a Service that becomes an ExternalName gives its address back, and gets one when it turns back', async () => {
    const created = await client.create(Service, service('a'));
    const external = await client.update(Service, {
      ...created,
      spec: { ...created.spec, type: 'ExternalName', externalName: 'example.com' },
    });
    expect(external.spec.clusterIP ?? '').toBe('');
    const other = await client.create(Service, service('b', { clusterIP: created.spec.clusterIP }));
    expect(other.spec.clusterIP).toBe(created.spec.clusterIP);
    const back = await client.update(Service, service('a', { type: 'ClusterIP' }));
    expect(back.spec.clusterIP).toMatch(/^10\.96\.0\./);
    expect(back.spec.clusterIP).not.toBe(other.spec.clusterIP);
  });

  test('Events go an hour after they last happened', async () => {
    await api.ready();
    const event = (name: string) => ({
      metadata: { name, namespace: 'default' },
      involvedObject: { kind: 'Pod', namespace: 'default', name: 'p' },
    });
    const names = async () => (await client.list(Event)).items.map(({ metadata }) => metadata.name);
    await client.create(Event, event('old'));
    clock.advance(40 * 60_000);
    await client.create(Event, event('new'));
    clock.advance(21 * 60_000);
    await expect.poll(names).toEqual(['new']);
  });

  test('both groups serve the same Events', async () => {
    await client.create(Event, {
      metadata: { name: 'e', namespace: 'default' },
      involvedObject: { kind: 'Pod', namespace: 'default', name: 'p' },
      message: 'it happened',
    });
    const path = '/apis/events.k8s.io/v1/namespaces/default/events/e';
    const { object } = await client.transport.request({ method: 'GET', path });
    expect(object).toMatchObject({
      apiVersion: 'events.k8s.io/v1',
      regarding: { kind: 'Pod', name: 'p' },
      note: 'it happened',
    });
  });

  const budget = (disruptionsAllowed: number) => ({
    metadata: { name: 'b', namespace: 'default' },
    spec: { minAvailable: 1, selector: { matchLabels: { app: 'web' } } },
    status: { disruptionsAllowed, currentHealthy: 1 + disruptionsAllowed, desiredHealthy: 1, expectedPods: 2 },
  });
  const evict = (name: string) =>
    client.createSubresource(Pod, { namespace: 'default', name, subresource: 'eviction' }, { metadata: { name } });

  const pod = (name: string, more: object = {}) => ({
    metadata: { name, namespace: 'default', labels: { app: 'web' } },
    spec: { containers: [{ name: 'c', image: 'i' }], ...more },
  });

  test('an eviction takes what the budget allows, and is refused when there is no more', async () => {
    for (const name of ['a', 'b']) {
      const created = await client.create(Pod, pod(name, { nodeName: 'n' }) as never);
      const conditions = [{ type: 'Ready', status: 'True' }];
      await client.updateStatus(Pod, {
        ...created,
        status: { ...created.status!, phase: 'Running', conditions } as never,
      });
    }
    const created = await client.create(PodDisruptionBudget, budget(1) as never);
    const status = { ...budget(1).status, observedGeneration: created.metadata.generation };
    await client.updateStatus(PodDisruptionBudget, { ...created, status } as never);

    await evict('a');
    const gone = await client.get(Pod, { namespace: 'default', name: 'a' });
    expect(gone.metadata.deletionGracePeriodSeconds).toBe(30);
    expect(gone.status?.conditions?.find(({ type }) => type === 'DisruptionTarget')?.reason).toBe(
      'EvictionByEvictionAPI',
    );
    const charged = await client.get(PodDisruptionBudget, { namespace: 'default', name: 'b' });
    expect(charged.status).toMatchObject({ disruptionsAllowed: 0, disruptedPods: { a: expect.any(String) } });

    const refused = await refusal(evict('b'));
    expect(refused.toStatus()).toMatchObject({
      code: 429,
      reason: 'TooManyRequests',
      message: "Cannot evict pod as it would violate the pod's disruption budget.",
      details: {
        causes: [
          {
            reason: 'DisruptionBudget',
            message: 'The disruption budget b does not allow evicting pods currently',
          },
        ],
      },
    });
  });

  test('who asks for a certificate is written by the server, and approving changes the conditions alone', async () => {
    const path = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
    const { object } = await client.transport.request({
      method: 'POST',
      path,
      object: {
        metadata: { name: 'r' },
        spec: {
          request: Buffer.from(CERTIFICATE_REQUEST).toString('base64'),
          signerName: 'example.com/s',
          usages: ['client auth'],
          username: 'somebody else',
        },
      },
    });
    const me = way === 'over TLS' ? adminIdentity.user : 'system:apiserver';
    const request = object as { spec: { username: string } };
    expect(request.spec.username).toBe(me);
    const approved = await client.transport.request({
      method: 'PUT',
      path: `${path}/r/approval`,
      object: { ...request, spec: {}, status: { conditions: [{ type: 'Approved', status: 'True', reason: 'R' }] } },
    });
    expect(approved.object).toMatchObject({
      spec: { username: me, signerName: 'example.com/s' },
      status: { conditions: [{ type: 'Approved', lastTransitionTime: '2026-01-01T00:00:00Z' }] },
    });
  });

  test('a question about rights is answered and not stored', async () => {
    const { code, object } = await client.transport.request({
      method: 'POST',
      path: '/apis/authorization.k8s.io/v1/subjectaccessreviews',
      object: { spec: { user: 'u', resourceAttributes: { verb: 'get', resource: 'pods' } } },
    });
    expect(code).toBe(201);
    expect(object).toMatchObject({ kind: 'SubjectAccessReview', status: { allowed: true } });
  });

  test('the number of replicas is read and set through scale, under the version of the object', async () => {
    const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    const at = { namespace: 'default', name: 'd' };
    const created = await client.create(Deployment, {
      metadata: at,
      spec: { replicas: 2, selector: { matchLabels: { a: 'b' } }, template },
    } as never);
    const path = '/apis/apps/v1/namespaces/default/deployments/d/scale';
    const { object } = await client.transport.request({ method: 'GET', path });
    expect(object).toMatchObject({
      kind: 'Scale',
      metadata: { resourceVersion: created.metadata.resourceVersion, uid: created.metadata.uid },
      spec: { replicas: 2 },
      status: { replicas: 0, selector: 'a=b' },
    });
    await client.transport.request({ method: 'PUT', path, object: { ...(object as object), spec: { replicas: 5 } } });
    const scaled = await client.get(Deployment, at);
    expect(scaled.spec.replicas).toBe(5);
    expect(scaled.metadata.generation).toBe(2);
    const stale = await refusal(client.transport.request({ method: 'PUT', path, object: { ...(object as object) } }));
    expect(stale.code).toBe(409);
  });
});
