/** The end of a pod: its containers and sandbox stop; its volumes and control group go; at last nothing of it is left. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pod } from '#api/generated/schema.ts';
import type { Clock } from '#base/clock.ts';
import type { Cgroups } from '#node/runtime/cgroups/cgroups.ts';
import { endCgroup } from '#node/runtime/cgroups/end-cgroup.ts';
import type { ContainerRuntime } from '#node/runtime/runtime.ts';
import type { BackOff } from './back-off.ts';
import type { ContainerKiller } from './container-killer.ts';
import type { Devices } from './devices/devices.ts';
import type { Images } from './images.ts';
import { CGROUP_PARENTS, logFoldersOf } from './pod-leftovers.ts';
import type { PodNotes } from './pod-notes.ts';
import type { PodReporter } from './pod-reporter.ts';
import type { Probes } from './probes/probes.ts';
import { podCgroupPath } from './quality-of-service.ts';
import type { Allocations } from './resize/allocations.ts';
import type { ResourceClaims } from './resource-claims/resource-claims.ts';
import type { ReferencedObjects } from './referenced-objects.ts';
import { graceSecondsOf, POD_NAME, POD_NAMESPACE } from './runtime-labels.ts';
import { isAlive, type RuntimePods } from './runtime-pods.ts';
import type { StatusWriter } from './status-writer.ts';
import type { UserNamespaces } from './user-namespaces/user-namespaces.ts';
import type { PodVolumes } from './volumes/pod-volumes.ts';
import type { ServiceAccountTokens } from './volumes/service-account-tokens.ts';

export interface PodEndOptions {
  clock: Clock;
  runtime: ContainerRuntime;
  runtimePods: RuntimePods;
  probes: Probes;
  reporter: PodReporter;
  killer: ContainerKiller;
  volumes: PodVolumes;
  references: ReferencedObjects;
  tokens: ServiceAccountTokens;
  images: Images;
  crashes: BackOff;
  allocations: Allocations;
  devices: Devices;
  claims: ResourceClaims;
  userNamespaces: UserNamespaces;
  notes: PodNotes;
  writer: StatusWriter;
  cgroups: Cgroups | undefined;
  cgroupRoot: string;
  logRoot: string;
}

export class PodEnd {
  readonly #options: PodEndOptions;

  constructor(options: PodEndOptions) {
    this.#options = options;
  }

  /** @returns whether all is stopped; false when the signal came first (the grace has changed: stop again) */
  async stop(wanted: Pod, { graceSeconds, signal }: { graceSeconds: number; signal: AbortSignal }): Promise<boolean> {
    const { runtime, runtimePods, probes, reporter, killer, allocations } = this.#options;
    const { uid } = wanted.metadata;
    const pod = allocations.allocatedPod(wanted);
    probes.stopHealth(uid);
    const before = await runtimePods.read(uid);
    reporter.report(pod, before);
    const [podIP = ''] = before.sandboxes[0]?.ips ?? [];
    await killer.killAll(pod, before, { graceSeconds, podIP, signal });
    if (signal.aborted) return false;
    for (const { id, state } of before.sandboxes) if (state === 'SANDBOX_READY') await runtime.stopPodSandbox(id);
    probes.forget(uid);
    // Its claims may go to others as soon as the API hears that it has ended.
    await this.#options.claims.unprepare(uid);
    reporter.report(pod, await runtimePods.read(uid), { isTerminal: true });
    return true;
  }

  /** Gives back what a stopped pod held on this node. Its dead containers and logs stay until `erase`. */
  async release(pod: Pod): Promise<void> {
    const { volumes, cgroups, cgroupRoot, references, tokens, images, crashes, userNamespaces } = this.#options;
    const { uid } = pod.metadata;
    await volumes.tearDown(uid);
    if (cgroups) await endCgroup(cgroups, podCgroupPath(cgroupRoot, pod), this.#options.clock);
    await userNamespaces.release(uid); // no process of theirs is left
    references.forget(uid);
    tokens.forget(uid);
    images.forget(uid);
    this.#options.devices.forget(uid);
    crashes.forget(`${uid}/`);
  }

  /** Removes its dead containers, its sandboxes and its logs. */
  async erase({ metadata }: { metadata: { uid: string; name: string; namespace?: string } }): Promise<void> {
    const { runtime, runtimePods, notes, writer, logRoot } = this.#options;
    const now = await runtimePods.read(metadata.uid);
    // One that cannot be removed now keeps no other, and not the pod's address.
    const failures: unknown[] = [];
    const attempt = (act: () => Promise<void>) => act().catch((error: unknown) => failures.push(error));
    for (const { id } of now.containers)
      await attempt(async () => {
        await runtime.removeContainer(id);
        runtimePods.forget(id);
      });
    for (const { id } of now.sandboxes)
      await attempt(async () => {
        await runtime.stopPodSandbox(id);
        await runtime.removePodSandbox(id);
      });
    if (failures.length > 0) throw failures[0];
    runtimePods.absent(metadata.uid);
    this.#options.allocations.forget(metadata.uid);
    const folder = `${metadata.namespace}_${metadata.name}_${metadata.uid}`;
    await rm(join(logRoot, folder), { recursive: true, force: true });
    notes.forget(metadata.uid);
    writer.forget(metadata.uid);
  }

  /** What the runtime has of a pod that nobody knows any more: by its labels alone. */
  async stopUnknown(podUid: string): Promise<void> {
    const { runtime, runtimePods, volumes, userNamespaces } = this.#options;
    const now = await runtimePods.read(podUid);
    await Promise.all(
      now.containers.filter(isAlive).map((status) => runtime.stopContainer(status.id, graceSecondsOf(status) ?? 30)),
    );
    const labels = now.sandboxes[0]?.labels ?? now.containers[0]?.labels ?? {};
    await this.erase({
      metadata: { uid: podUid, name: labels[POD_NAME] ?? '', namespace: labels[POD_NAMESPACE] ?? '' },
    });
    await volumes.tearDown(podUid);
    await this.#removeCgroupsOf(podUid);
    await userNamespaces.release(podUid);
    const { logRoot } = this.#options;
    for (const folder of await logFoldersOf(logRoot, podUid))
      await rm(join(logRoot, folder), { recursive: true, force: true });
  }

  async #removeCgroupsOf(podUid: string): Promise<void> {
    const { cgroups, cgroupRoot, clock } = this.#options;
    if (!cgroups) return;
    for (const group of CGROUP_PARENTS) await endCgroup(cgroups, `${cgroupRoot}${group}/pod${podUid}`, clock);
  }
}
