/** Volumes of pods in a folder of their own: mounts are noted and not made; config maps and secrets are as a test says. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import type { ConfigMap, Pod, Secret, Volume } from '#api/generated/schema.ts';
import { ManualClock } from '#base/manual-clock.ts';
import type { Mounter } from '#node/kubelet/volumes/mounter.ts';
import { PodVolumes, VolumesFailed } from '#node/kubelet/volumes/pod-volumes.ts';
import type { ProjectionSources } from '#node/kubelet/volumes/projections.ts';

/** Of the volume `v`. */
export const FAILED = 'MountVolume.SetUp failed for volume "v" : ';

export const podWith = (given: Volume[] | Volume, spec: Partial<Pod['spec']> = {}): Pod =>
  ({
    metadata: {
      name: 'p',
      namespace: 'ns',
      uid: 'u1',
      labels: { b: '2', a: '1' },
      annotations: { note: 'two\nlines' },
    },
    spec: {
      containers: [
        { name: 'main', resources: { requests: { cpu: '250m', memory: '64Mi' }, limits: { cpu: '1500m' } } },
      ],
      serviceAccountName: 'robot',
      volumes: [given].flat(),
      ...spec,
    },
  }) as unknown as Pod;

const encoded = (data: Record<string, string>) =>
  Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString('base64')]));

/** New for each test of the file that calls this. */
export function volumesBed() {
  let root = '';
  const mounts: { path: string; what: string }[] = [];
  const maps = new Map<string, Record<string, string>>();
  const secrets = new Map<string, Record<string, string>>();
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pod-volumes-'));
    mounts.length = 0;
    maps.clear();
    secrets.clear();
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const mounter: Mounter = {
    tmpfs: async (path, { sizeBytes, mode }) =>
      void mounts.push({ path, what: `memory ${mode.toString(8)} ${sizeBytes}` }),
    bind: async () => undefined,
    mount: async ({ type, target, options }) => void mounts.push({ path: target, what: `${type} ${options}` }),
    unmount: async () => undefined,
    below: async (path) =>
      mounts.map((each) => each.path).filter((each) => each === path || each.startsWith(`${path}/`)),
    hasBindOf: async () => false,
  };
  const sources: ProjectionSources = {
    node: { nodeName: 'n1', hostIPs: ['10.0.0.1', 'fd00::1'], allocatable: { cpu: '4', memory: '1Gi' } },
    configMap: async (_, name) => (maps.has(name) ? ({ data: maps.get(name) } as unknown as ConfigMap) : undefined),
    secret: async (_, name) =>
      secrets.has(name) ? ({ data: encoded(secrets.get(name) ?? {}) } as unknown as Secret) : undefined,
    serviceAccountToken: async (_, { audience }) => `token for ${audience}`,
  };
  /** `setUp` of volumes whose bytes are not the pod's own. */
  const volumes = (setUp?: (pod: Pod, volume: Volume) => Promise<string | undefined>) =>
    new PodVolumes({
      root,
      mounter,
      sources,
      clock: new ManualClock(),
      ...(setUp && { lasting: { setUp, tearDown: async () => undefined } }),
    });
  const folderOf = (sort: string, name = 'v') => join(root, 'pods/u1/volumes', `kubernetes.io~${sort}`, name);
  return {
    get root() {
      return root;
    },
    mounts,
    maps,
    secrets,
    volumes,
    folderOf,
    read: (sort: string, path: string) => readFileSync(join(folderOf(sort), path), 'utf8'),
    shown: (sort: string) =>
      readdirSync(folderOf(sort))
        .filter((name) => !name.startsWith('..'))
        .sort(),
    /** The texts of what could not be had. */
    async failure(pod: Pod): Promise<readonly string[]> {
      const error = await volumes()
        .setUp(pod, [])
        .then(
          () => undefined,
          (reason: unknown) => reason,
        );
      expect(error).toBeInstanceOf(VolumesFailed);
      return (error as VolumesFailed).messages;
    },
  };
}
