/** A kubelet on a private containerd, with claims, volumes and pods that use them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { Event, Volume } from '#api/generated/schema.ts';
import { CSIDriver } from '#api/storage/v1/csi-driver.ts';
import type { Draft } from '#client/client.ts';
import { type KubeletFixture, podOf, startKubeletFixture } from './kubelet-fixture.ts';
import { type PrivateContainerd, startPrivateContainerd } from './private-containerd.ts';

type Wanted = (pod: Pod | undefined) => boolean;

export const isReady: Wanted = (pod) =>
  pod?.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';

export const pathOf = (name: string): string => `/api/v1/namespaces/default/pods/${name}`;

/** A pod with the claim at /data. */
export const using = (
  name: string,
  claimName: string,
  more: { volume?: object; mount?: object; spec?: object } = {},
): Pod =>
  podOf(name, {
    containers: [{ name: 'main', volumeMounts: [{ name: 'data', mountPath: '/data', ...more.mount }] }],
    volumes: [{ name: 'data', persistentVolumeClaim: { claimName, ...more.volume } } as Volume],
    ...more.spec,
  });

export class VolumesLab {
  readonly containerd: PrivateContainerd;
  readonly fixture: KubeletFixture;
  /** The kubelet's folder. */
  readonly root: string;
  count = 0;

  private constructor(containerd: PrivateContainerd, fixture: KubeletFixture) {
    this.containerd = containerd;
    this.fixture = fixture;
    this.root = join(containerd.directory, 'kubelet');
  }

  static async start(podRange: string): Promise<VolumesLab> {
    const containerd = await startPrivateContainerd(podRange);
    const lab = new VolumesLab(containerd, await startKubeletFixture(containerd));
    await lab.aboutDriver('local-path.kedge.dev', { attachRequired: false, fsGroupPolicy: 'File' });
    return lab;
  }

  async close(): Promise<void> {
    await this.fixture.close();
    await this.containerd.close();
  }

  aboutDriver(name: string, spec: object): Promise<CSIDriver> {
    return this.fixture.client.create(CSIDriver, {
      metadata: { name },
      spec: { volumeLifecycleModes: ['Persistent'], podInfoOnMount: false, requiresRepublish: false, ...spec },
    } as unknown as Draft<CSIDriver>);
  }

  create(pod: Pod): Promise<Pod> {
    return this.fixture.client.create(Pod, pod);
  }

  until(name: string, isWanted: Wanted): Promise<Pod | undefined> {
    return this.fixture.api.until<Pod>(pathOf(name), isWanted);
  }

  messages(name: string): string[] {
    return this.fixture.api
      .all<Event>('/api/v1/events')
      .filter(({ involvedObject }) => involvedObject.name === name)
      .map(({ type, reason, message }) => `${type} ${reason} ${message}`);
  }

  /** Until the pod has an event of this text. */
  async told(name: string, text: string): Promise<void> {
    await this.fixture.api.until<Pod>(pathOf(name), () => this.messages(name).includes(text));
  }

  async exec(pod: Pod | undefined, script: string): Promise<string> {
    const id = pod?.status?.containerStatuses?.[0]?.containerID?.replace('containerd://', '') ?? '';
    const { stdout, stderr } = await this.containerd.runtime.execSync(id, ['/bin/sh', '-c', script], 20);
    return Buffer.concat([stdout, stderr]).toString('utf8').trim();
  }

  async remove(name: string): Promise<void> {
    await this.fixture.client.delete(Pod, { name, namespace: 'default' }, { gracePeriodSeconds: 1 });
    await this.until(name, (gone) => gone === undefined);
  }

  /** Lines of mountinfo about the kubelet's folder. */
  mounts(): string[] {
    const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
    return lines.filter((line) => line.includes(this.root));
  }

  /** A claim and its volume, bound to each other. @returns the volume's name */
  async bound(
    claim: string,
    spec: object,
    more: { claimStatus?: object; claimSpec?: object; capacity?: string } = {},
  ): Promise<string> {
    const name = this.nextName();
    this.count++;
    const { client } = this.fixture;
    const made = await client.create(PersistentVolumeClaim, {
      metadata: { name: claim, namespace: 'default' },
      spec: {
        accessModes: ['ReadWriteOnce'],
        volumeName: name,
        resources: { requests: { storage: '1Gi' } },
        ...more.claimSpec,
      },
      status: { phase: 'Bound', capacity: { storage: '1Gi' }, ...more.claimStatus },
    } as unknown as Draft<PersistentVolumeClaim>);
    await client.create(PersistentVolume, {
      metadata: { name },
      spec: {
        accessModes: ['ReadWriteOnce'],
        capacity: { storage: more.capacity ?? '1Gi' },
        claimRef: { namespace: 'default', name: claim, uid: made.metadata.uid },
        ...spec,
      },
    } as unknown as Draft<PersistentVolume>);
    return name;
  }

  nextName(): string {
    return `pvc-00000000-0000-0000-0000-${String(this.count + 1).padStart(12, '0')}`;
  }

  localPath(): { csi: { driver: string; volumeHandle: string } } {
    return { csi: { driver: 'local-path.kedge.dev', volumeHandle: this.nextName() } };
  }
}
