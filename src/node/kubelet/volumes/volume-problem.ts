/** Why a pod's volume cannot be had; the message is the whole text of the FailedMount event. */
export class VolumeProblem extends Error {
  readonly volume: string;

  constructor(volume: string, message: string, cause?: Error) {
    super(message, { cause });
    this.volume = volume;
  }

  /** Nothing could be tried yet. */
  static beforeMount(volume: string, why: string): VolumeProblem {
    return new VolumeProblem(
      volume,
      `Unable to attach or mount volumes: unmounted volumes=[${volume}], unattached volumes=[], failed to process volumes=[${volume}]: ${why}`,
    );
  }

  /** @param step upstream's name of it: `SetUp`, `MountDevice`, `NewMounter initialization` */
  static inStep(step: string, { volume, specName }: { volume: string; specName: string }, cause: Error): VolumeProblem {
    return new VolumeProblem(volume, `MountVolume.${step} failed for volume "${specName}" : ${cause.message}`, cause);
  }

  static ofDevice({ volume, specName }: { volume: string; specName: string }, cause: Error): VolumeProblem {
    return new VolumeProblem(
      volume,
      `MapVolume.MapPodDevice failed for volume "${specName}" : ${cause.message}`,
      cause,
    );
  }
}

/** It takes somebody else's work, which is under way: no event, unless it takes too long. */
export class VolumeNotYet extends Error {
  readonly volume: string;

  constructor(volume: string, what: string) {
    super(what);
    this.volume = volume;
  }
}
