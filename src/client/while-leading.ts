/**
 * Runs a component in one of several processes at a time. Where upstream's process ends when it no longer leads, to be started
 * anew, here only the component ends, and its process waits for its turn again. Source: kube-controller-manager, --leader-elect.
 */
import { Lease } from '#api/coordination/v1/lease.ts';
import { apiVersionOf } from '#api/machinery/kind.ts';
import { sleep } from '#base/clock.ts';
import { EventRecorder } from './event-recorder.ts';
import { type LeaderElectionOptions, lead } from './leader-election.ts';

export interface Electable {
  /** What is still at work after `stop`. */
  readonly busy: number;
  /** What is at work ends by itself; nothing new begins. */
  stop(): void;
}

/** The Lease is given back only when this long has passed, or nothing is at work any more. */
const LAST_WORK_MS = 5_000;
const LOOK_EVERY_MS = 50;

export interface Candidacy extends Omit<LeaderElectionOptions, 'signal'> {
  /** Whom the Events come from: `kube-controller-manager`. */
  component: string;
}

/** `start` is called whenever this process leads. `stop` gives the Lease back, for others to lead at once. */
export function whileLeading(options: Candidacy, start: () => Electable): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const { signal } = stopping;
  const running = compete({ ...options, signal }, start);
  return {
    async stop() {
      stopping.abort(new Error('the process ends'));
      await running;
    },
  };
}

async function compete(
  options: Candidacy & Pick<LeaderElectionOptions, 'signal'>,
  start: () => Electable,
): Promise<void> {
  const { client, clock, random, component, identity, lease, signal } = options;
  const events = new EventRecorder({ client, clock, random, component });
  const about = { apiVersion: apiVersionOf(Lease), kind: 'Lease', ...lease };
  while (!signal.aborted) {
    try {
      await lead(options, async (leading) => {
        events.normal(about, 'LeaderElection', `${identity} became leader`);
        const running = start();
        await aborted(leading);
        running.stop();
        for (let ms = 0; running.busy > 0 && ms < LAST_WORK_MS; ms += LOOK_EVERY_MS) await sleep(clock, LOOK_EVERY_MS);
        events.normal(about, 'LeaderElection', `${identity} stopped leading`);
      });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
