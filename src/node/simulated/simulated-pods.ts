/** The pods of simulated nodes: brought to Running on paper, ended when they are deleted, and what their data says between. */
import { Pod } from '#api/core/v1/pod.ts';
import { isTerminal } from '#api/core/v1/pod-conditions.ts';
import type { PodStatus } from '#api/generated/schema.ts';
import type { Clock } from '#base/clock.ts';
import type { Random } from '#base/random.ts';
import type { Client } from '#client/client.ts';
import type { Informer } from '#client/informer.ts';
import { PodAddresses } from './pod-addresses.ts';
import { behaviourOf } from './pod-behaviour.ts';
import { nextStep } from './pod-life.ts';
import { addressOf } from './simulated-node.ts';
import type { Member } from './simulated-nodes.ts';
import { endedStatus, type PodTimes } from './simulated-pod.ts';
import type { TimerWheel } from './timer-wheel.ts';

export interface SimulatedPodsServices {
  client: Client;
  clock: Clock;
  random: Random;
  pods: Informer<Pod>;
  wheel: TimerWheel;
  /** The simulated node of this name. */
  memberOf(node: string): Member | undefined;
  /** It does nothing. */
  isStopped(node: string): boolean;
  send(act: () => Promise<void>, retryId?: string): void;
  startMs?: number;
  stopMs?: number;
}

const DEFAULT_STOP_MS = 200;
/** The exit code of a program that SIGTERM has ended. */
const TERMINATED = 143;
/** Start and stop times vary by this much of themselves. */
const JITTER = 0.5;

export class SimulatedPods {
  readonly #services: SimulatedPodsServices;
  readonly #addresses = new PodAddresses();
  readonly #vary = (ms: number): number => ms * (1 - JITTER / 2 + this.#services.random.next() * JITTER);
  /** Nodes all of whose pods are to be looked at. */
  readonly #dirty = new Set<string>();
  #unsubscribe: () => void = () => undefined;

  constructor(services: SimulatedPodsServices) {
    this.#services = services;
  }

  start(): void {
    this.#unsubscribe = this.#services.pods.onChange(({ key, now, before }) => {
      // The same name may come back as another pod.
      if (before && before.metadata.uid !== now?.metadata.uid) this.#forget(key, before);
      if (now) this.#look(key, now);
    });
  }

  stop(): void {
    this.#unsubscribe();
  }

  /** The node is new, runs again, or has another behaviour. Of many at once the pods are gone through once. */
  lookAtNode(name: string): void {
    this.#dirty.add(name);
    if (this.#dirty.size > 1) return;
    this.#services.wheel.set('look', 0, () => {
      const nodes = new Set(this.#dirty);
      this.#dirty.clear();
      for (const pod of this.#services.pods.list()) {
        if (!nodes.has(pod.spec.nodeName ?? '')) continue;
        const key = keyOfPod(pod);
        this.#services.wheel.clear(`${key}/next`);
        this.#look(key, pod);
      }
    });
  }

  /** Of the node that it runs on, when that is a simulated one. */
  #runningOn({ spec }: Pod): Member | undefined {
    const { memberOf, isStopped } = this.#services;
    const member = spec.nodeName ? memberOf(spec.nodeName) : undefined;
    return member && !isStopped(member.name) ? member : undefined;
  }

  #look(key: string, pod: Pod): void {
    const { wheel, clock, stopMs = DEFAULT_STOP_MS, startMs } = this.#services;
    const member = this.#runningOn(pod);
    if (!member) return;
    const behaviour = behaviourOf(pod, member.rules);
    const { deletionTimestamp, deletionGracePeriodSeconds = 30 } = pod.metadata;
    if (deletionTimestamp) {
      const { stopSeconds } = behaviour;
      const wantedMs = stopSeconds === undefined ? this.#vary(stopMs) : stopSeconds * 1000;
      wheel.clear(`${key}/next`);
      this.#later(`${key}/end`, Math.min(wantedMs, deletionGracePeriodSeconds * 1000), () => this.#end(key));
      return;
    }
    if (pod.status?.podIP) this.#addresses.keep(member.index, key, pod.status.podIP);
    const step = nextStep(pod, behaviour, {
      nowMs: clock.now(),
      vary: this.#vary,
      ...(startMs !== undefined && { startMs }),
    });
    if (step) this.#later(`${key}/next`, step.afterMs, () => this.#take(key));
    else wheel.clear(`${key}/next`);
  }

  /** What is planned stays planned. */
  #later(id: string, afterMs: number, act: () => Promise<void>): void {
    const { wheel, send } = this.#services;
    if (!wheel.has(id)) wheel.set(id, afterMs, () => send(act, id));
  }

  /** The step that is due, of the pod as it is now. */
  async #take(key: string): Promise<void> {
    const { pods, clock } = this.#services;
    const pod = pods.get(key);
    const member = pod && this.#runningOn(pod);
    if (!pod || !member) return;
    const step = nextStep(pod, behaviourOf(pod, member.rules), { nowMs: clock.now(), vary: (ms) => ms });
    if (!step) return;
    if (pod.status?.phase === 'Running' && step.afterMs > 0) return this.#look(key, pod); // it is another step by now
    await this.#write(pod, step.status(this.#times(key, member)));
  }

  #times(key: string, { index }: Member): PodTimes {
    return {
      nowMs: this.#services.clock.now(),
      hostIP: addressOf(index),
      podIP: this.#addresses.take(index, key),
    };
  }

  async #end(key: string): Promise<void> {
    const { pods, client } = this.#services;
    const pod = pods.get(key);
    const member = pod && this.#runningOn(pod);
    if (!pod?.metadata.deletionTimestamp || !member) return;
    const { name, namespace = '', uid, finalizers } = pod.metadata;
    // Who holds it may wait for its phase, as a Job does; of others nobody would see it.
    if (finalizers?.length && !isTerminal(pod))
      await this.#write(pod, endedStatus(pod, this.#times(key, member), TERMINATED));
    await client.delete(Pod, { name, namespace }, { gracePeriodSeconds: 0, preconditions: { uid } });
  }

  /** Refused when the pod is another by now: then its informer tells of that, and it is looked at again. */
  async #write(pod: Pod, status: PodStatus): Promise<void> {
    await this.#services.client.updateStatus(Pod, { ...pod, status });
  }

  #forget(key: string, pod: Pod): void {
    const { memberOf, wheel } = this.#services;
    const member = memberOf(pod.spec.nodeName ?? '');
    if (member) this.#addresses.give(member.index, key);
    wheel.clear(`${key}/next`);
    wheel.clear(`${key}/end`);
  }
}

const keyOfPod = ({ metadata }: Pod): string => `${metadata.namespace}/${metadata.name}`;
