/** Makes room for pods: others are sent away for them, and the place is kept until they come. */
import type { Pod } from '#api/core/v1/pod.ts';
import type { Occurrence } from '#client/series-recorder.ts';
import type { Room } from './define-plugin.ts';
import type { Nominations } from './nominations.ts';
import type { Placing } from './placing.ts';
import { type PreemptingServices, preempt, preempted } from './preempting.ts';
import type { SchedulingQueue } from './queue.ts';
import type { FoundRoom } from './room-for.ts';
import { noteNoPlace } from './unscheduled.ts';

export interface RoomMakerOptions {
  nominations: Nominations;
  queue: SchedulingQueue;
  /** By the pod's uid: those that are on their way to a node. */
  placing: ReadonlyMap<string, Placing>;
  services: PreemptingServices;
  inBackground(act: Promise<unknown>, what: string): void;
}

export class RoomMaker {
  readonly #options: RoomMakerOptions;

  constructor(options: RoomMakerOptions) {
    this.#options = options;
  }

  /** From now on the place is the pod's; it is held until `sendAway` is over. */
  keep(pod: Pod, { nodeName }: Room): void {
    const { nominations, queue } = this.#options;
    this.#takeLesserPlaces(pod, nodeName);
    nominations.put(pod, nodeName);
    queue.hold(pod);
  }

  /** Beside the next decisions; until the victims have been sent away the pod is not tried again. */
  sendAway(pod: Pod, { nodeName, victims, madeBy }: FoundRoom): void {
    const { queue, services, inBackground } = this.#options;
    const running = victims.filter((victim) => !this.#givesWay(victim, madeBy, preempted(victim, pod, nodeName)));
    const sending = preempt(pod, { nodeName, victims: running }, services).then(
      () => queue.release(pod),
      (error: unknown) => {
        queue.release(pod, { hasFailed: true }); // nobody may go, and nothing else would bring it back
        throw error;
      },
    );
    inBackground(sending, 'a pod could not be preempted');
  }

  /** Less important pods that wait for this node may no longer fit there: they look for another one. */
  #takeLesserPlaces({ spec: { priority = 0 } }: Pod, nodeName: string): void {
    const { nominations, services, inBackground } = this.#options;
    for (const other of nominations.on(nodeName)) {
      if ((other.spec.priority ?? 0) >= priority) continue;
      nominations.remove(other);
      inBackground(noteNoPlace(other, services.client), 'a nomination was not taken back');
    }
  }

  /** A victim that is only about to be placed is told so, and need not be deleted. */
  #givesWay({ metadata: { uid } }: Pod, plugin: string, said: Occurrence): boolean {
    if (!this.#options.placing.get(uid)?.giveWay(plugin)) return false;
    this.#options.services.events.record({ ...said, note: `${said.note} (in kube-scheduler memory).` });
    return true;
  }
}
