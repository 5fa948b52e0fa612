/** A kubelet on a private containerd and an API in memory. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Pod } from '#api/generated/schema.ts';
import { DEFAULT_CONFIGURATION } from '#api/kubelet-config/kubelet-configuration.ts';
import { silentLog } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import { Client } from '#client/client.ts';
import { SharedInformers } from '#client/informers.ts';
import type { Kubelet } from '#node/kubelet/kubelet.ts';
import { type KubeletOptions, startKubelet } from '#node/kubelet/start-kubelet.ts';
import { detectMachineFacts } from '#node/runtime/machine-facts.ts';
import { MemoryApi } from './memory-api.ts';
import { type PrivateContainerd, TEST_IMAGE } from './private-containerd.ts';
import { systemClock } from './system-clock.ts';

export const NODE = 'node-under-test';

export interface KubeletFixture {
  api: MemoryApi;
  client: Client;
  kubelet: Kubelet;
  /** Ends this kubelet and begins another one with the same state. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export async function startKubeletFixture(
  containerd: Pick<PrivateContainerd, 'directory' | 'runtime'>,
  extra: Partial<KubeletOptions> = {},
): Promise<KubeletFixture> {
  const api = new MemoryApi();
  api.answers.set('POST serviceaccounts/token', () => ({
    status: { token: 'a.b.c', expirationTimestamp: new Date(Date.now() + 3_600_000).toISOString() },
  }));
  const client = new Client(api);
  const root = join(containerd.directory, 'kubelet');
  mkdirSync(root, { recursive: true });
  const begin = async () => {
    const stop = new AbortController();
    const random = seededRandom(1);
    const informers = new SharedInformers({ client, clock: systemClock, random, signal: stop.signal });
    const kubelet = await startKubelet({
      nodeName: NODE,
      client,
      informers,
      runtime: containerd.runtime,
      machine: detectMachineFacts(),
      clock: systemClock,
      random,
      log: process.env['KUBELET_LOG'] ? consoleLog : silentLog,
      directories: { root, logs: join(containerd.directory, 'pod-logs') },
      addresses: ['127.0.0.1'],
      clusterDNS: ['10.96.0.10'],
      clusterDomain: 'cluster.local',
      cgroupRoot: `/kedge-test-${process.pid}`,
      // The machine's own disk and memory are not the tests' matter.
      configuration: { ...DEFAULT_CONFIGURATION, evictionHard: {}, imageGCHighThresholdPercent: 100 },
      ...extra,
    });
    return { kubelet, stop };
  };
  let running = await begin();
  const end = async () => {
    await running.kubelet.close();
    running.stop.abort();
  };
  return {
    api,
    client,
    get kubelet() {
      return running.kubelet;
    },
    async restart() {
      await end();
      running = await begin();
    },
    async close() {
      const { cgroups, cgroupRoot } = running.kubelet;
      await end();
      for (const { id } of await containerd.runtime.listPodSandboxes()) {
        await containerd.runtime.stopPodSandbox(id);
        await containerd.runtime.removePodSandbox(id);
      }
      await cgroups?.remove(cgroupRoot);
    },
  };
}

const consoleLog: typeof silentLog = {
  debug: () => undefined,
  info: (message, fields) => console.log(message, fields ?? ''),
  warn: (message, fields) => console.log('WARN', message, fields ?? ''),
  error: (message, fields) => console.log('ERROR', message, fields ?? ''),
  child: () => consoleLog,
};

/** A pod as the API server would have defaulted it. */
export function podOf(
  name: string,
  spec: Partial<Omit<Pod['spec'], 'containers' | 'initContainers'>> & {
    containers: (Partial<Pod['spec']['containers'][number]> & { name: string })[];
    initContainers?: (Partial<Pod['spec']['containers'][number]> & { name: string })[];
  },
  metadata: Partial<Pod['metadata']> = {},
): Pod {
  const container = (given: Partial<Pod['spec']['containers'][number]> & { name: string }) => ({
    image: TEST_IMAGE,
    imagePullPolicy: 'IfNotPresent' as const,
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File' as const,
    ...given,
  });
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', ...metadata } as Pod['metadata'],
    spec: {
      nodeName: NODE,
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 2,
      dnsPolicy: 'ClusterFirst',
      securityContext: {},
      schedulerName: 'default-scheduler',
      enableServiceLinks: true,
      ...spec,
      containers: spec.containers.map(container),
      ...(spec.initContainers && { initContainers: spec.initContainers.map(container) }),
    } as Pod['spec'],
    status: { phase: 'Pending' },
  };
}
