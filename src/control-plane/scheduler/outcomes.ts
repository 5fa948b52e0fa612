/** What has become of each try: told as Events, and of pods without a place by a condition as well. */
import type { Pod } from '#api/core/v1/pod.ts';
import type { Clock } from '#base/clock.ts';
import type { Client } from '#client/client.ts';
import type { OccurrenceSink } from '#client/series-recorder.ts';
import type { Background } from './background.ts';
import type { Plugin } from './define-plugin.ts';
import type { SchedulingQueue } from './queue.ts';
import { noteUnscheduled } from './unscheduled.ts';

export interface OutcomesOptions {
  client: Client;
  clock: Clock;
  events: OccurrenceSink;
  queue: SchedulingQueue;
  background: Background;
}

export interface RefusalNote {
  message: string;
  refusedBy: readonly Plugin[];
  reason?: string;
  /** Empty: it waits for none any more. */
  nominatedNodeName?: string;
}

export class Outcomes {
  readonly #options: OutcomesOptions;
  #placed = 0;
  #refused = 0;

  constructor(options: OutcomesOptions) {
    this.#options = options;
  }

  get counts(): { placed: number; refused: number } {
    return { placed: this.#placed, refused: this.#refused };
  }

  placed(pod: Pod, { nodeName, schedulerName }: { nodeName: string; schedulerName: string }): void {
    const { events, queue } = this.#options;
    const { namespace, name } = pod.metadata;
    this.#placed++;
    queue.done(pod);
    events.record({
      reportingController: schedulerName,
      regarding: pod,
      type: 'Normal',
      reason: 'Scheduled',
      action: 'Binding',
      note: `Successfully assigned ${namespace}/${name} to ${nodeName}`,
    });
  }

  refused(pod: Pod, { message, refusedBy, reason = 'Unschedulable', nominatedNodeName }: RefusalNote): void {
    const { client, clock, events, queue, background } = this.#options;
    this.#refused++;
    events.record({
      reportingController: pod.spec.schedulerName,
      regarding: pod,
      type: 'Warning',
      reason: 'FailedScheduling',
      action: 'Scheduling',
      note: message,
    });
    queue.refused(pod, refusedBy);
    const note = { reason, message, ...(nominatedNodeName !== undefined && { nominatedNodeName }) };
    background.run(noteUnscheduled(pod, note, { client, clock }), 'the condition was not written');
  }
}
