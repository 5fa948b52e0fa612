/** A process that carries an Ingress's traffic. The process `net` forks it, and tells it everything. */
import { runIngressWorker as run } from '#network/ingress/run-ingress-worker.ts';
import { systemClock, systemRandom } from './system-clock.ts';

export const runIngressWorker = (): Promise<void> => run({ random: systemRandom, clock: systemClock });
