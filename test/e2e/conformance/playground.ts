/** A namespace of a test file's own, with what the tests do in it. */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type { Pod } from '#api/core/v1/pod.ts';
import type { Submitted } from '#api/generated/schema.ts';
import { eventually, KedgeCluster, type Outcome } from '../running-cluster.ts';
import { Api, type Sent } from './api.ts';
import { IMAGE, imageOn } from './image.ts';

export type PodSpec = NonNullable<Submitted<Pod>['spec']>;
export type Container = NonNullable<PodSpec['containers']>[number];
export type Volume = NonNullable<PodSpec['volumes']>[number];
export type PodStatus = NonNullable<Pod['status']>;

/** A container of the tests' image; `main` unless it says otherwise. */
export const container = (parts: Partial<Container> = {}): Container => ({ name: 'main', image: IMAGE, ...parts });
export const shell = (script: string, parts: Partial<Container> = {}): Container =>
  container({ command: ['sh', '-c', script], ...parts });

interface PodParts {
  spec: Partial<PodSpec>;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}
/** A pod that runs once, unless it says otherwise, and does not linger. */
export const pod = (name: string, { spec, ...metadata }: PodParts): Sent => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, ...metadata },
  spec: { restartPolicy: 'Never', terminationGracePeriodSeconds: 1, containers: [container()], ...spec },
});

export const object = (kind: string, name: string, parts: object = {}, apiVersion = 'v1'): Sent => ({
  apiVersion,
  kind,
  metadata: { name },
  ...parts,
});
export const configMap = (name: string, data: Record<string, string>, parts: object = {}): Sent =>
  object('ConfigMap', name, { data, ...parts });
export const secret = (name: string, data: Record<string, string>, parts: object = {}): Sent =>
  object('Secret', name, { stringData: data, ...parts });

const plural = (kind: string) => {
  const word = kind.toLowerCase();
  if (word === 'endpoints') return word;
  if (/[^aeiou]y$/.test(word)) return `${word.slice(0, -1)}ies`;
  return /(s|ss)$/.test(word) ? `${word}es` : `${word}s`;
};
const prefix = (apiVersion: string) => (apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`);
/** Where objects of a kind are, in all namespaces or for the cluster. */
export const clusterPath = (kind: string, apiVersion = 'v1') => `${prefix(apiVersion)}/${plural(kind)}`;

const ENDED = ['Succeeded', 'Failed'];
export const isReady = ({ status }: Pod) =>
  status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false;

export class Playground {
  readonly cluster: KedgeCluster;
  readonly api: Api;
  readonly namespace: string;

  constructor(cluster: KedgeCluster, api: Api, namespace: string) {
    this.cluster = cluster;
    this.api = api;
    this.namespace = namespace;
  }

  static async open(cluster: KedgeCluster, namespace: string): Promise<Playground> {
    const [api] = await Promise.all([cluster.kubeconfig().then((path) => Api.of(path)), imageOn(cluster)]);
    const playground = new Playground(cluster, api, namespace);
    await api.post('/api/v1/namespaces', { metadata: { name: namespace } });
    const account = playground.path('ServiceAccount', 'v1', 'default');
    await eventually('the namespace has its ServiceAccount', async () => (await api.try('GET', account)).code === 200);
    return playground;
  }

  async close(): Promise<void> {
    await this.api.try('DELETE', `/api/v1/namespaces/${this.namespace}`, { propagationPolicy: 'Background' });
    this.api.close();
  }

  path(kind: string, apiVersion = 'v1', name?: string): string {
    const all = `${prefix(apiVersion)}/namespaces/${this.namespace}/${plural(kind)}`;
    return name === undefined ? all : `${all}/${name}`;
  }

  pathOf({ kind, apiVersion, metadata }: Sent): string {
    return this.path(kind, apiVersion, metadata.name);
  }

  /** All at once: what one of them waits for may come after it. */
  async create(...objects: readonly Sent[]): Promise<void> {
    await Promise.all(objects.map((each) => this.api.post(this.path(each.kind, each.apiVersion), each)));
  }

  pod(name: string): Promise<Pod> {
    return this.api.get<Pod>(this.path('Pod', 'v1', name));
  }

  async pods(selector = ''): Promise<Pod[]> {
    const list = `${this.path('Pod')}?labelSelector=${encodeURIComponent(selector)}`;
    return (await this.api.get<{ items: Pod[] }>(list)).items;
  }

  /** The pod when `check` holds. */
  podWhen(name: string, what: string, check: (pod: Pod) => boolean, withinMs = 150_000): Promise<Pod> {
    let last: Pod | undefined;
    const look = async () => {
      last = await this.pod(name);
      return check(last) && last;
    };
    return eventually(`pod ${name} ${what}`, look, withinMs).catch((error: unknown) => {
      throw new Error(`${error} ${JSON.stringify(last?.status)}`, { cause: error });
    });
  }

  ended(name: string): Promise<Pod> {
    return this.podWhen(name, 'ended', ({ status }) => ENDED.includes(status?.phase ?? ''));
  }

  ready(name: string): Promise<Pod> {
    return this.podWhen(name, 'is ready', isReady);
  }

  gone(path: string): Promise<boolean> {
    return eventually(`${path} is gone`, async () => (await this.api.try('GET', path)).code === 404);
  }

  log(name: string, containerName = ''): Promise<string> {
    const query = containerName ? `?container=${containerName}` : '';
    return this.api.text('GET', `${this.path('Pod', 'v1', name)}/log${query}`);
  }

  tryExec(name: string, script: string, containerName?: string): Promise<Outcome> {
    const which = containerName ? ['-c', containerName] : [];
    return this.cluster.tryKubectl(['-n', this.namespace, 'exec', name, ...which, '--', 'sh', '-c', script]);
  }

  /** What a shell in the pod says. */
  async exec(name: string, script: string, containerName?: string): Promise<string> {
    const { code, stdout, stderr } = await this.tryExec(name, script, containerName);
    if (code !== 0) throw new Error(`ended with ${code} in ${name}: ${stderr}${stdout}\n"${script}"`);
    return stdout.trimEnd();
  }
}

type Start = (ground: Playground) => Promise<(() => Promise<unknown>) | undefined>;

/**
 * A playground for the tests of a file; `start` makes what they look at, and may return what undoes that outside of the
 * namespace. The answer is usable inside tests and hooks only.
 */
export function playground(namespace: string, start: Start): () => Playground {
  let ground: Playground | undefined;
  let undo: (() => Promise<unknown>) | undefined;
  const it = () => {
    if (!ground) throw new Error('the playground is not open yet');
    return ground;
  };
  beforeAll(async () => {
    ground = await Playground.open(new KedgeCluster(inject('cluster')), `conformance-${namespace}`);
    undo = await start(ground);
  });
  afterAll(async () => {
    await undo?.();
    await ground?.close();
  });
  return it;
}

/** A pod that runs to its end, and what its log then holds. */
export interface Story {
  /** The conformance name. */
  name: string;
  objects?: Sent[];
  pod: PodParts;
  says: (string | RegExp)[];
  /** Which container says it; the only one if not given. */
  of?: string;
}

/** A test for each story. All pods start together, and with them whatever else `start` makes. */
export function tell(namespace: string, stories: readonly Story[], start?: Start): () => Playground {
  const nameOf = (index: number) => `story-${index}`;
  const ground = playground(namespace, async (it) => {
    const undo = await start?.(it);
    await it.create(...stories.flatMap(({ objects = [] }) => objects));
    await it.create(...stories.map((story, index) => pod(nameOf(index), story.pod)));
    return undo;
  });
  for (const [index, { name, says, of }] of stories.entries()) {
    test(name, async () => {
      const { status } = await ground().ended(nameOf(index));
      const log = await ground().log(nameOf(index), of);
      for (const part of says) {
        if (typeof part === 'string') expect(log).toContain(part);
        else expect(log).toMatch(part);
      }
      expect(status?.phase).toBe('Succeeded');
    });
  }
  return ground;
}
