/** Pods of all sorts with ends of all sorts, the same ones for the same seed. */
import { type Random, wholeBelow } from '#base/random.ts';
import { type PodSpec, shell } from '../conformance/playground.ts';

export interface Life {
  /** What the pod is, for whoever reads of a failure. */
  sort: string;
  spec: Partial<PodSpec>;
  /** How long after its creation it is deleted, in ms. */
  livesMs: number;
  graceSeconds: number;
}

const RUNS = 'sleep 86400 & wait';
const SORTS: Readonly<Record<string, Partial<PodSpec>>> = {
  runs: { containers: [shell(RUNS)] },
  'ends well': { containers: [shell('exit 0')] },
  crashes: { restartPolicy: 'Always', containers: [shell('exit 7')] },
  'ignores TERM': { containers: [shell(`trap '' TERM; while true; do sleep 1; done`)] },
  'has init containers and a sidecar': {
    initContainers: [shell('true', { name: 'first' }), shell(RUNS, { name: 'beside', restartPolicy: 'Always' })],
    containers: [shell(RUNS), shell('exit 0', { name: 'second' })],
  },
  'has volumes': {
    volumes: [
      { name: 'memory', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
      { name: 'disk', emptyDir: {} },
      { name: 'settings', configMap: { name: 'settings' } },
      { name: 'keys', secret: { secretName: 'keys' } },
    ],
    containers: [
      shell(`echo x > /memory/x; echo x > /disk/x; ${RUNS}`, {
        volumeMounts: [
          { name: 'memory', mountPath: '/memory' },
          { name: 'disk', mountPath: '/disk', subPath: 'part' },
          { name: 'settings', mountPath: '/settings' },
          { name: 'keys', mountPath: '/keys/key', subPath: 'key' },
        ],
      }),
    ],
  },
  'names a ConfigMap that is missing': {
    volumes: [{ name: 'settings', configMap: { name: 'missing' } }],
    containers: [shell(RUNS, { volumeMounts: [{ name: 'settings', mountPath: '/settings' }] })],
  },
  'has an image that is missing': {
    containers: [shell(RUNS, { image: 'kedge.local/none:1', imagePullPolicy: 'Never' })],
  },
  'has a program that is missing': { containers: [shell(RUNS, { command: ['/no/such/program'] })] },
  'is on the node’s network': { hostNetwork: true, containers: [shell(RUNS)] },
  'is never alive': {
    restartPolicy: 'Always',
    containers: [
      shell(RUNS, { livenessProbe: { exec: { command: ['false'] }, periodSeconds: 1, failureThreshold: 1 } }),
    ],
  },
  'is out of memory': {
    containers: [
      shell('x=a; while true; do x=$x$x; done', {
        resources: { limits: { memory: '16Mi' }, requests: { memory: '16Mi' } },
      }),
    ],
  },
};

export function randomLives(random: Random, count: number): Life[] {
  const sorts = Object.entries(SORTS);
  return Array.from({ length: count }, () => {
    const [sort, spec] = sorts[wholeBelow(random, sorts.length)]!;
    return { sort, spec, livesMs: wholeBelow(random, 3_000), graceSeconds: wholeBelow(random, 3) };
  });
}
