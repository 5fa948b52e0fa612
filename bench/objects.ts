/** Objects as users have them, and where they live. */
import { setTimeout as delay } from 'node:timers/promises';
import { frameLoad } from './frame-load.ts';
import { type Ask, askOnce, exchange, load, open, type Target } from './http2-load.ts';

export const podsPath = (namespace: string): string => `/api/v1/namespaces/${namespace}/pods`;

/** A web server's pod; 3 KB once it has its defaults. No scheduler takes it up. */
export const podBody = (name: string): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      labels: { app: 'web', tier: 'front', 'pod-template-hash': '5d8f9c7b64' },
      annotations: {
        'example.com/build': '2026-11-21T08:15:00Z',
        'example.com/commit': '0123456789abcdef0123456789abcdef',
      },
    },
    spec: {
      schedulerName: 'nobody',
      containers: [
        {
          name: 'web',
          image: 'kedge.local/hello:1',
          ports: [{ name: 'http', containerPort: 8080 }],
          env: ['REGION', 'LOG_LEVEL', 'CACHE_SIZE', 'DATABASE_URL'].map((key) => ({
            name: key,
            value: `the value of ${key}`,
          })),
          resources: { requests: { cpu: '50m', memory: '32Mi' }, limits: { cpu: '500m', memory: '128Mi' } },
          readinessProbe: { httpGet: { path: '/ready', port: 'http' }, periodSeconds: 1 },
          livenessProbe: { httpGet: { path: '/healthz', port: 'http' }, initialDelaySeconds: 5 },
        },
      ],
    },
  });

export const configMapsPath = (namespace: string): string => `/api/v1/namespaces/${namespace}/configmaps`;

/** 2 KB when it is stored. */
export const createConfigMap = (namespace: string, name: string): Ask => ({
  method: 'POST',
  path: configMapsPath(namespace),
  body: JSON.stringify({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, labels: { app: 'web', tier: 'front' } },
    data: Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`key-${i}`, `${name} ${i} `.padEnd(130, 'v')])),
  }),
});

/** `NAME-0` …, one after the other from `from` on, in a namespace that is there. */
export async function makeConfigMaps(
  target: Target,
  namespace: string,
  { name, from, count }: { name: string; from: number; count: number },
): Promise<void> {
  const ask = (n: number) => createConfigMap(namespace, `${name}-${from + n}`);
  const { times } = await frameLoad(target, { ask, requests: count, atOnce: 64, forMs: 90_000 });
  if (times.length < count) throw new Error(`only ${times.length} of ${count} ConfigMaps were made in time`);
}

export const createPod = (namespace: string, name: string): Ask => ({
  method: 'POST',
  path: podsPath(namespace),
  body: podBody(name),
});

const NAMESPACE_WITHIN_MS = 10_000;

/** Makes the namespace, and waits for the ServiceAccount without which no pod is admitted. */
export async function makeNamespace(target: Target, name: string): Promise<void> {
  const body = JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  await askOnce(target, { method: 'POST', path: '/api/v1/namespaces', body });
  const session = await open(target);
  try {
    for (const deadline = performance.now() + NAMESPACE_WITHIN_MS; ; await delay(10)) {
      const path = `/api/v1/namespaces/${name}/serviceaccounts/default`;
      const found = await exchange(session, { path }).then(
        () => true,
        (error: Error) => {
          if (performance.now() > deadline) throw error;
          return false;
        },
      );
      if (found) return;
    }
  } finally {
    session.destroy();
  }
}

/** `pod-0` … in a namespace of their own. */
export async function makePods(target: Target, namespace: string, count: number): Promise<void> {
  await makeNamespace(target, namespace);
  const ask = (n: number) => createPod(namespace, `pod-${n}`);
  const { times } = await load(target, { ask, requests: count, atOnce: 64, forMs: 60_000 });
  if (times.length < count) throw new Error(`only ${times.length} of ${count} pods were made in a minute`);
}
