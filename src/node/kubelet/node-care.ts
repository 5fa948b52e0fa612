/** What keeps the node alive: evictions, images that nobody needs, its graceful end. Put together. */
import { join } from 'node:path';
import type { Pod } from '#api/generated/schema.ts';
import { diskFactsOf } from '#node/runtime/machine-facts.ts';
import { DiskReserve } from './eviction/disk-reserve.ts';
import { Evictions } from './eviction/evictions.ts';
import { MachineUsage } from './eviction/machine-usage.ts';
import { ImageGarbage } from './image-garbage.ts';
import type { PullRecords } from './images/pull-records.ts';
import type { KubeletServices } from './kubelet-services.ts';
import { allocatableMemory } from './node-allocatable.ts';
import type { Ending } from './pod-notes.ts';
import type { PodWorkers } from './pod-workers.ts';
import { NodeShutdown } from './shutdown/node-shutdown.ts';

export interface NodeCareInputs extends KubeletServices {
  workers: PodWorkers;
  /** The node's conditions or images have changed. */
  reportNode(): void;
  /** Dead containers give their disk back. */
  removeDead(): Promise<void>;
  pullRecords: Pick<PullRecords, 'keepOnly'>;
}

export interface NodeCare {
  evictions: Evictions;
  imageGarbage: ImageGarbage;
  shutdown: NodeShutdown;
  start(): Promise<void>;
}

export function nodeCare(inputs: NodeCareInputs): NodeCare {
  const { options, configuration, signal, recorder, events, cgroups, notes, workers, reportNode, removeDead } = inputs;
  const { pullRecords } = inputs;
  const { nodeName, runtime, machine, clock, log, directories, cgroupRoot } = options;
  const endPod = (pod: Pod, ending: Ending, graceSeconds: number) => {
    notes.of(pod.metadata.uid).ended = ending;
    workers.end(pod, graceSeconds);
  };
  const usage =
    options.usage ??
    new MachineUsage({
      runtime,
      cgroups,
      cgroupRoot,
      machine,
      directories,
      allocatableMemoryBytes: allocatableMemory(machine.memoryBytes, configuration),
    });
  const imageDisk = async () => {
    const observed = (await usage.node()).get('imagefs.available');
    return { availableBytes: observed?.available ?? 0, capacityBytes: observed?.capacity ?? 0 };
  };
  const imageGarbage = new ImageGarbage({
    runtime,
    clock,
    log,
    events: recorder,
    nodeName,
    signal,
    configuration,
    keep: options.keepImages ?? [],
    disk: imageDisk,
    onChange: reportNode,
    onCollected: (imageIds, atMs) => pullRecords.keepOnly(imageIds, atMs),
  });
  const reserve = options.usage ? undefined : diskReserve(directories.root);
  const evictions = new Evictions({
    configuration,
    usage,
    clock,
    log,
    events: recorder,
    nodeName,
    pods: () => workers.active,
    isReleased: (podUid) => workers.isReleased(podUid),
    end(pod, ending, graceSeconds) {
      events.warning(pod, undefined, ending.reason, ending.message);
      endPod(pod, ending, graceSeconds);
    },
    async reclaimDisk() {
      try {
        await removeDead();
      } finally {
        await imageGarbage.deleteUnused();
      }
    },
    onConditions: reportNode,
    ...(reserve && { reserve }),
  });
  const shutdown = new NodeShutdown({
    configuration,
    clock,
    log,
    events: recorder,
    nodeName,
    signal,
    pods: () => workers.active,
    isReleased: (podUid) => workers.isReleased(podUid),
    end: endPod,
    onChange: reportNode,
  });
  return {
    evictions,
    imageGarbage,
    shutdown,
    async start() {
      await reserve?.keep().catch((error: Error) => log.warn('no room for a reserve', { error: error.message }));
      evictions.start();
      imageGarbage.start();
    },
  };
}

const diskReserve = (root: string): DiskReserve =>
  new DiskReserve(join(root, 'reserve'), diskFactsOf(root).capacityBytes);
