/** What stands in the cluster of two families before its tests begin: servers, clients and a Service of each kind. */
import { IMAGE, SERVER } from './conformance/image.ts';

export const NODES = ['node1', 'node2', 'node3'];
export const manifest = (...objects: object[]) => JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
const podOf = (name: string, spec: object, labels: object) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels },
  spec: { terminationGracePeriodSeconds: 0, ...spec },
});
const podIps = { name: 'POD_IPS', valueFrom: { fieldRef: { fieldPath: 'status.podIPs' } } };
const serverPod = (name: string, nodeName: string) => {
  const env = [{ name: 'PORTS', value: '8080,8081' }, { name: 'UDP_PORTS', value: '8080' }, podIps];
  const probe = { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 };
  const ports = [{ containerPort: 8080, hostPort: 18_080 }];
  const main = { name: 'main', image: IMAGE, command: SERVER, env, ports, readinessProbe: probe };
  return podOf(name, { nodeName, containers: [main] }, { app: 'server', on: nodeName });
};
const clientPod = (nodeName: string) => {
  const main = { name: 'main', image: IMAGE, command: ['/bin/sleep', '1000'], env: [podIps] };
  return podOf(`client-${nodeName}`, { nodeName, containers: [main] }, { app: 'client' });
};
const service = (name: string, spec: object) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name },
  spec: { selector: { app: 'server' }, ports: [{ name: 'web', port: 80, targetPort: 8080 }], ...spec },
});
const dual = { ipFamilyPolicy: 'RequireDualStack' };
export const [EXTERNAL_IP, EXTERNAL_IP6] = ['203.0.113.78', '2001:db8:113::78'];
const services = [
  service('both', { type: 'LoadBalancer', ipFamilyPolicy: 'PreferDualStack' }),
  service('plain', {}),
  service('six', { ipFamilies: ['IPv6'] }),
  service('local', { type: 'NodePort', ipFamilyPolicy: 'RequireDualStack', externalTrafficPolicy: 'Local' }),
  service('sticky', { ipFamilyPolicy: 'RequireDualStack', sessionAffinity: 'ClientIP' }),
  service('forgetful', {
    ...dual,
    sessionAffinity: 'ClientIP',
    sessionAffinityConfig: { clientIP: { timeoutSeconds: 2 } },
  }),
  service('several', {
    ...dual,
    selector: { on: 'node3' },
    externalIPs: [EXTERNAL_IP, EXTERNAL_IP6],
    ports: [
      { name: 'one', port: 80, targetPort: 8080 },
      { name: 'two', port: 81, targetPort: 8081 },
    ],
  }),
  service('datagrams', { selector: { on: 'node3' }, ports: [{ port: 80, targetPort: 8080, protocol: 'UDP' }] }),
  service('inner', { ...dual, selector: { on: 'node2' }, internalTrafficPolicy: 'Local' }),
  service('nobody', { ...dual, selector: { app: 'nobody' } }),
  service('guarded', { ...dual, type: 'LoadBalancer', loadBalancerSourceRanges: ['192.0.2.0/24', '2001:db8::/32'] }),
  service('names', { clusterIP: 'None', ipFamilyPolicy: 'RequireDualStack' }),
];

/** Servers on node2 and node3, so that node1 always asks another node. */
export const OBJECTS = [serverPod('two', 'node2'), serverPod('three', 'node3'), ...NODES.map(clientPod), ...services];
