import { describe, expect, test } from 'vitest';
import { type Any, broken, CLIENT, ingress, sliceOf, World } from '../../../test/network/traced-shop.ts';
import type { Question } from './known.ts';

const unready = (world: World, of: Any, container: Any = {}) => {
  world.lists['slices'] = [sliceOf({ 'web-1': '10.244.1.3' }, { ready: false })];
  world.pods.splice(1, 1);
  const [pod] = world.pods;
  Object.assign(pod!.status, { conditions: [{ type: 'Ready', status: 'False' }] }, of);
  Object.assign((pod!.spec['containers'] as Any[])[0]!, container);
};
const waiting = (reason: string, more: Any = {}) => ({
  containerStatuses: [{ name: 'main', ready: false, started: false, state: { waiting: { reason } }, ...more }],
});

const denyAll = {
  metadata: { namespace: 'shop', name: 'deny' },
  spec: { podSelector: { matchLabels: { app: 'web' } }, policyTypes: ['Ingress'] } as Any,
};

describe('where it breaks, why, and what to do', () => {
  test.each<[string, string, Question['from'], (world: World) => void, string]>([
    [
      'a name without a record',
      'http://www.example.com/',
      { type: 'host' },
      (world) => void delete world.names['www.example.com'],
      'dns: www.example.com has no address | there is no DNS record for it | give the name a record, or try without: curl --resolve www.example.com:80:172.29.0.1 http://www.example.com/',
    ],
    [
      "a name of the cluster's, asked from outside",
      'http://web.shop.svc.cluster.local/',
      { type: 'host' },
      () => undefined,
      'dns: web.shop.svc.cluster.local has no address here | only pods ask the DNS of the cluster | trace it from a pod: --from pod/NAME',
    ],
    [
      'a Service of another namespace',
      'http://web/',
      { ...CLIENT, namespace: 'guests' },
      (world) =>
        world.pods.map(
          ({ metadata }) => metadata.name === 'client' && Object.assign(metadata, { namespace: 'guests' }),
        ),
      'dns: web has no address, says the DNS of node node2 at 10.96.0.10 | there is no Service "web" in namespace guests | there is one in namespace shop: ask for web.shop',
    ],
    [
      'a host that no rule claims',
      'http://other.example.com/',
      { type: 'host' },
      (world) => Object.assign(world.names, { 'other.example.com': ['172.29.0.1'] }),
      'ingress: no Ingress takes the host other.example.com | there are rules for paths.example.com, www.example.com | add a rule with host: other.example.com',
    ],
    [
      'an Ingress without a class',
      'http://www.example.com/',
      { type: 'host' },
      (world) =>
        Object.assign(world.lists, {
          ingresses: [{ ...ingress, spec: { ...ingress.spec, ingressClassName: undefined } }],
        }),
      'ingress: no Ingress takes the host www.example.com | Ingress shop/web names it, but it has no class | set spec.ingressClassName: nginx',
    ],
    [
      'a path that no rule has',
      'http://paths.example.com/other',
      { type: 'host' },
      (world) => Object.assign(world.names, { 'paths.example.com': ['172.29.0.1'] }),
      'ingress: no rule of paths.example.com takes the path /other | its paths are /only (Exact) | add a path to an Ingress of paths.example.com, or a default backend',
    ],
    [
      'a rule whose Service is not there',
      'http://paths.example.com/only',
      { type: 'host' },
      (world) => Object.assign(world.names, { 'paths.example.com': ['172.29.0.1'] }),
      'service: Service shop/gone | there is no such Service | create it, or name another one in the rule (in shop there are web)',
    ],
    [
      'a missing Secret',
      'https://www.example.com/',
      { type: 'host' },
      (world) => void delete world.secrets['shop/web-tls'],
      'certificate: Secret shop/web-tls | there is no such Secret; a certificate of nobody is shown | kubectl -n shop create secret tls web-tls --cert=FILE --key=FILE',
    ],
    [
      'a certificate that has ended',
      'https://www.example.com/',
      { type: 'host' },
      (world) => Object.assign(world.lists, { nowMs: Date.parse('2028-01-01T00:00:00Z') }),
      'certificate: Secret shop/web-tls | its certificate ended on 2027-01-01 | renew it',
    ],
    [
      'a port that the Service does not have',
      'http://web:8080/',
      CLIENT,
      () => undefined,
      'service: Service shop/web | it has no port of that number; it has 80 (http) | ask for one of those, or add the port to the Service',
    ],
    [
      'a failing readiness probe',
      'http://web/',
      CLIENT,
      (world) => {
        unready(
          world,
          { containerStatuses: [{ name: 'main', ready: false, started: true, state: { running: {} } }] },
          { readinessProbe: { httpGet: { path: '/ready', port: 8080 } } },
        );
        world.events.push({
          reason: 'Unhealthy',
          message: 'Readiness probe failed: HTTP probe failed with statuscode: 503',
          metadata: {},
        });
      },
      'endpoints: no endpoint of 1 may be used | pod shop/web-1: the readiness probe of container main (GET /ready at port 8080) fails: Readiness probe failed: HTTP probe failed with statuscode: 503 | make the container answer its probe, or mend the probe: kubectl -n shop describe pod web-1',
    ],
    [
      'a container that crashes',
      'http://web/',
      CLIENT,
      (world) =>
        unready(world, waiting('CrashLoopBackOff', { lastState: { terminated: { exitCode: 3, reason: 'Error' } } })),
      'endpoints: no endpoint of 1 may be used | pod shop/web-1: container main crashes again and again; it last ended with code 3 (Error) | kubectl -n shop logs web-1 -c main --previous',
    ],
    [
      'an image that cannot be pulled',
      'http://web/',
      CLIENT,
      (world) => unready(world, waiting('ImagePullBackOff')),
      'endpoints: no endpoint of 1 may be used | pod shop/web-1: container main: ImagePullBackOff | kubectl -n shop describe pod web-1',
    ],
    [
      'a pod without a node',
      'http://web/',
      CLIENT,
      (world) => {
        unready(world, {
          phase: 'Pending',
          podIP: '',
          podIPs: [],
          conditions: [{ type: 'PodScheduled', status: 'False', message: '0/2 nodes are available' }],
        });
        delete world.pods[0]?.spec['nodeName'];
        world.lists['slices'] = [];
      },
      'endpoints: no endpoint of 0 may be used | pod shop/web-1: it has no node: 0/2 nodes are available | kedge why pod/web-1 -n shop',
    ],
    [
      'a selector that means no pod',
      'http://web/',
      CLIENT,
      (world) => {
        Object.assign(world.service['spec'] as Any, { selector: { app: 'wed' } });
        world.lists['slices'] = [];
      },
      'endpoints: no endpoint of 0 may be used | no pod in namespace shop has the labels app=wed; there are app=web, app=client | make the selector of the Service and the labels of its pods agree',
    ],
    [
      'a named target port that no pod has',
      'http://web/',
      CLIENT,
      (world) => {
        Object.assign((world.service['spec'] as { ports: Any[] }).ports[0]!, { targetPort: 'http' });
        world.lists['slices'] = [];
      },
      'endpoints: no endpoint of 0 may be used | pod shop/web-1: it has no port named http, which is the targetPort of the Service; it has web (8080) | name the port in the pod, or give the Service another targetPort',
    ],
    [
      'a target port at which nothing listens',
      'http://web/',
      CLIENT,
      (world) => {
        world.lists['slices'] = [sliceOf({ 'web-1': '10.244.1.3' }, { port: 9999 })];
      },
      'pod: pod shop/web-1 on node node1, port 9999 | nothing listens at port 9999; the pod listens at 8080 | set the targetPort of the Service to 8080, or let the container listen at 9999',
    ],
    [
      'a policy that lets nobody in',
      'http://web/',
      CLIENT,
      (world) => Object.assign(world.lists, { policies: [denyAll] }),
      'policy: pod shop/client → 10.244.1.3:8080 | NetworkPolicy shop/deny isolates pod shop/web-1, and no rule allows this | add an ingress rule from pods with app=client in namespace shop, TCP port 8080',
    ],
    [
      'a policy that lets nothing out',
      'http://web/',
      CLIENT,
      (world) =>
        Object.assign(world.lists, {
          policies: [
            { metadata: { namespace: 'shop', name: 'quiet' }, spec: { podSelector: {}, policyTypes: ['Egress'] } },
          ],
        }),
      'policy: pod shop/client → 10.244.1.3:8080 | NetworkPolicy shop/quiet isolates the egress of pod shop/client, and no rule allows this | add an egress rule to pods with app=web in namespace shop, TCP port 8080',
    ],
    [
      'a policy that the other node is not allowed by',
      'https://www.example.com/',
      { type: 'host' },
      (world) => Object.assign(world.lists, { policies: [denyAll] }),
      'policy: node node2 → 10.244.1.3:8080 | NetworkPolicy shop/deny isolates pod shop/web-1, and no rule allows this | add an ingress rule from ipBlock 172.30.0.12/32, TCP port 8080',
    ],
    [
      'a node without an endpoint under a Local policy',
      'http://172.30.0.12:30080/',
      { type: 'host' },
      (world) => {
        Object.assign(world.service['spec'] as Any, { externalTrafficPolicy: 'Local' });
        world.lists['slices'] = [sliceOf({ 'web-1': '10.244.1.3' })];
      },
      'endpoints: no endpoint on node node2 | externalTrafficPolicy is Local, and its endpoints are on node1 | ask node1 instead, or set externalTrafficPolicy: Cluster',
    ],
    [
      'a port of this machine that leads nowhere',
      'http://shop.localhost/',
      { type: 'host' },
      () => undefined,
      'address: 127.0.0.1:80 | nothing of the cluster is published at port 80 of this machine; published are 8080 (ingress http) | kedge up --publish PORT:NAMESPACE/SERVICE:PORT',
    ],
    [
      'a sender that is not there',
      'http://web/',
      { ...CLIENT, name: 'nobody' },
      () => undefined,
      'pod: pod shop/nobody | there is no such pod to send from',
    ],
  ])('%s', (_, url, from, change, expected) => {
    const world = new World();
    change(world);
    const trace = world.trace(url, from);
    expect(broken(trace)).toBe(expected);
    expect(trace.isBroken).toBe(true);
  });
});
