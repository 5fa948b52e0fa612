/** Server-side apply: a Deployment of usual size by its owner, with one field changed each time. */
import type { Bench } from './bench.ts';
import { startControlPlane } from './control-plane-process.ts';
import { frameLoad } from './frame-load.ts';
import type { Ask } from './http2-load.ts';
import { makeNamespace } from './objects.ts';
import { cpuMicrosecondsEach } from './process-usage.ts';
import { type Row, rateRow, sizeRow } from './row.ts';
import { mergedLoad, ROUNDS, turnAbout } from './turns.ts';

const NAMESPACE = 'apply';
const DEPLOYMENTS = 64;
const REQUESTS = 4_000;
const WARM_UP = 2_000;
const LIMIT =
  'one thread: naming, merging, pruning, shaping and comparing by schema are a third of it, validation an eighth; what every write costs is the rest';

export async function run(bench: Bench): Promise<Row[]> {
  const { target, pid } = await startControlPlane(bench);
  await makeNamespace(target, NAMESPACE);
  await frameLoad(target, { ask: applied, requests: WARM_UP, atOnce: 8, forMs: 20_000 });
  await frameLoad(target, { ask: merged, requests: WARM_UP, atOnce: 8, forMs: 20_000 });
  const rows: Row[] = [];
  for (const atOnce of [1, 8]) {
    bench.say(`${REQUESTS} applies by ${atOnce}`);
    const piece = { requests: REQUESTS / ROUNDS / (atOnce === 1 ? 4 : 1), atOnce };
    const count = ({ times }: { times: number[] }) => times.length;
    const pieces = await turnAbout(
      ROUNDS,
      () => cpuMicrosecondsEach(pid, () => frameLoad(target, { ask: applied, ...piece }), count),
      () => cpuMicrosecondsEach(pid, () => frameLoad(target, { ask: merged, ...piece }), count),
    );
    const own = mergedLoad(pieces.own);
    const least = mergedLoad(pieces.floor);
    const note = 'a merge patch of the one field';
    const name = `api-apply/${atOnce} callers`;
    rows.push(rateRow(name, { ...own, floor: { value: least.perSecond, note } }));
    const cpu = sizeRow(`${name}, CPU of the server`, 'µs', { value: own.cpu, floor: { value: least.cpu, note } });
    rows.push(atOnce === 8 ? { ...cpu, target: 1_000, limit: LIMIT } : cpu);
  }
  return rows;
}

let change = 0;
const nameOf = (n: number): string => `web-${n % DEPLOYMENTS}`;
const pathOf = (n: number): string => `/apis/apps/v1/namespaces/${NAMESPACE}/deployments/${nameOf(n)}`;

/** Paused, and what changes is neither its owner's wish nor passed on (as annotations are): nobody else works on it. */
const applied = (n: number): Ask => ({
  method: 'PATCH',
  path: `${pathOf(n)}?fieldManager=bench&force=true`,
  contentType: 'application/apply-patch+yaml',
  body: JSON.stringify({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: {
      name: nameOf(n),
      labels: { app: 'web', tier: 'front', change: String(change++) },
    },
    spec: {
      paused: true,
      replicas: 0,
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: {
          containers: [
            {
              name: 'web',
              image: 'kedge.local/hello:1',
              ports: [{ name: 'http', containerPort: 8080 }],
              env: ['REGION', 'LOG_LEVEL', 'CACHE_SIZE', 'DATABASE_URL'].map((name) => ({ name, value: `of ${name}` })),
              resources: { requests: { cpu: '50m', memory: '32Mi' }, limits: { cpu: '500m', memory: '128Mi' } },
              readinessProbe: { httpGet: { path: '/ready', port: 'http' }, periodSeconds: 1 },
              volumeMounts: [{ name: 'cache', mountPath: '/cache' }],
            },
          ],
          volumes: [{ name: 'cache', emptyDir: {} }],
        },
      },
    },
  }),
});

const merged = (n: number): Ask => ({
  method: 'PATCH',
  path: `${pathOf(n)}?fieldManager=other`,
  contentType: 'application/merge-patch+json',
  body: JSON.stringify({
    metadata: { labels: { other: String(change++) } },
  }),
});
