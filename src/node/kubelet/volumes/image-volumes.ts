/** Volumes that are the content of an image. CRI before 1.8 knows none: the runtime mounts, containers get a bind. */
import type { Pod, Volume } from '#api/generated/schema.ts';
import type { Image } from '#node/runtime/image.ts';
import type { ContainerRuntime } from '#node/runtime/runtime.ts';
import { RuntimeError } from '#node/runtime/runtime-error.ts';
import type { ImageMounts } from './plain-volumes.ts';
import { VolumeProblem } from './volume-problem.ts';

export interface ImageVolumesOptions {
  runtime: Pick<ContainerRuntime, 'mountImage' | 'unmountImage'>;
  /** By the pull policy of the volume, with the pod's secrets. Throws Error with the reason's text. */
  imageOf(pod: Pod, volume: Volume, signal: AbortSignal | undefined): Promise<Image>;
}

export function imageVolumes({ runtime, imageOf }: ImageVolumesOptions): ImageMounts {
  return {
    async mount(pod, volume, { target, signal }) {
      const about = { volume: volume.name, specName: volume.name };
      try {
        const { id } = await imageOf(pod, volume, signal);
        await runtime.mountImage(id, target);
      } catch (error) {
        if (error instanceof RuntimeError) throw VolumeProblem.inStep('SetUp', about, error);
        throw error;
      }
    },
    unmount: (target) => runtime.unmountImage(target),
  };
}
