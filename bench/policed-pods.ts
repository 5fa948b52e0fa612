/** Pods with addresses and policies for them, as the measure of policies has them: some of the pods are on the node that is measured. */

export const NAMESPACE = 'policed';
export const NODE = 'node-1';
export const PODS = 2_000;
export const POLICIES = 200;
/** Of `PODS`: as many as a kubelet has room for. */
const LOCAL = 110;

/** Pods of nodes that are not there are cleared away. */
export const NODES = 2 + (PODS >> 8);
export const nodeBody = (n: number): object => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: `node-${n + 1}` },
});

export const podName = (n: number): string => `pod-${n}`;
export const podAddress = (n: number): string =>
  n < LOCAL ? `10.244.1.${n + 2}` : `10.244.${2 + (n >> 8)}.${n & 255}`;

export const podBody = (n: number): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: podName(n), labels: { app: `app-${n % POLICIES}`, tier: n % 2 === 0 ? 'front' : 'back' } },
  spec: {
    nodeName: n < LOCAL ? NODE : `node-${2 + (n >> 8)}`,
    containers: [{ name: 'main', image: 'example/main:1', ports: [{ name: 'web', containerPort: 8080 }] }],
  },
});

export const podStatus = (n: number): object => ({
  status: { phase: 'Running', podIP: podAddress(n), podIPs: [{ ip: podAddress(n) }] },
});

/** The pods of one app hear those of another app, and those in front, at one port. */
export const policyBody = (n: number, port: number): object => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: policyName(n) },
  spec: {
    podSelector: { matchLabels: { app: `app-${n}` } },
    policyTypes: ['Ingress'],
    ingress: [
      {
        from: [
          { podSelector: { matchLabels: { app: `app-${(n + 1) % POLICIES}` } } },
          { podSelector: { matchLabels: { tier: 'front' } } },
        ],
        ports: [{ port, protocol: 'TCP' }],
      },
    ],
  },
});

export const policyName = (n: number): string => `policy-${n}`;
