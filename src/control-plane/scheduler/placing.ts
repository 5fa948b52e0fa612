/** From a decision to a bound pod: reserve, permit, pre-bind, bind, post-bind; undone when one of them does not agree. */
import { Pod } from '#api/core/v1/pod.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { hasReason, StatusError } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import { sleep } from '#base/clock.ts';
import type { Client } from '#client/client.ts';
import type { Informer, Informers } from '#client/informer.ts';
import type { OccurrenceSink } from '#client/series-recorder.ts';
import { Unreachable } from '#client/transport.ts';
import type { Extender } from './define-extender.ts';
import type { BindingServices, Plugin } from './define-plugin.ts';
import { PluginFailed } from './define-plugin.ts';
import { agree } from './not-placed.ts';
import { pointsOf } from './points.ts';
import { type Placement, preBind, stepsBefore } from './pre-binding.ts';
import type { States } from './trial.ts';
import { unschedulable, type Verdict } from './verdict.ts';

export interface PlacingServices {
  client: Client;
  clock: Clock;
  informers: Informers;
  events: OccurrenceSink;
  /** What is waited for is no work of the scheduler's. */
  whileOthers<T>(act: Promise<T>): Promise<T>;
}

/** Source: scheduler framework, maxTimeout of the Permit plugins. */
const LONGEST_PERMIT_MS = 15 * 60_000;

/** One pod on its way to one node. */
export class Placing implements BindingServices {
  readonly #pod: Pod;
  readonly #nodeName: string;
  readonly #plugins: readonly Plugin[];
  readonly #states: States;
  readonly #services: PlacingServices;
  /** Made when somebody wants to know: most pods are bound at once. */
  #ending: AbortController | undefined;
  #ended: Error | undefined;
  #stage: 'waits for a permission' | 'is prepared' | undefined;
  #hasGivenWay = false;

  constructor(
    pod: Pod,
    decision: { nodeName: string; states: States; plugins: readonly Plugin[] },
    services: PlacingServices,
  ) {
    this.#pod = pod;
    this.#nodeName = decision.nodeName;
    this.#states = decision.states;
    this.#plugins = decision.plugins;
    this.#services = services;
  }

  get client(): Client {
    return this.#services.client;
  }

  get clock(): Clock {
    return this.#services.clock;
  }

  get signal(): AbortSignal {
    if (!this.#ending) {
      this.#ending = new AbortController();
      if (this.#ended) this.#ending.abort(this.#ended);
    }
    return this.#ending.signal;
  }

  readonly cached = <T extends KubeObject>(kind: Kind<T>): Informer<T> => this.#services.informers.for(kind);
  readonly whileOthers = <T>(act: Promise<T>): Promise<T> => this.#services.whileOthers(act);

  readonly say: BindingServices['say'] = (what) =>
    this.#services.events.record({
      reportingController: this.#pod.spec.schedulerName,
      regarding: this.#pod,
      type: 'Normal',
      ...what,
    });

  /** Another pod gets its place, as this plugin has found. Says whether that was in time: what is being bound must be deleted. */
  giveWay(plugin: string): boolean {
    if (this.#stage === undefined) return false;
    this.#hasGivenWay = true;
    this.end(this.#stage === 'is prepared' ? `preempted by ${plugin}` : 'preempted');
    return true;
  }

  /** The pod is gone, or has to give way: whoever waits for it gives up. */
  end(why: string): void {
    this.#ended ??= new Error(why);
    this.#ending?.abort(this.#ended);
  }

  /** Until the first promise everything is done at once. Throws NotPlaced, PluginFailed, and what the server said. */
  async run(extenders: readonly Extender[] = []): Promise<void> {
    const { reserve, unreserve, permit, preBind: before, postBind } = pointsOf(this.#plugins);
    const [pod, nodeName] = [this.#pod, this.#nodeName];
    try {
      for (const plugin of reserve) agree(plugin, plugin.reserve(pod, nodeName, this.#states.get(plugin)));
      const waiting = permit.length > 0 ? this.#askPermits() : NOBODY;
      const steps = stepsBefore(before, this.#placement);
      const takesTime = steps.some((step) => step.some((each) => each.preBindPreFlight || this.#states.has(each)));
      if (waiting.length > 0) await this.#permitted(waiting);
      else if (takesTime) await this.#sayWhere();
      if (steps.length > 0) await this.#prepare(steps);
      await this.#bind(extenders);
    } catch (error) {
      for (const plugin of unreserve) await plugin.unreserve(pod, nodeName, this.#states.get(plugin));
      throw error;
    }
    for (const plugin of postBind) plugin.postBind(pod, nodeName, this.#states.get(plugin));
  }

  get #placement(): Placement {
    return { pod: this.#pod, nodeName: this.#nodeName, states: this.#states };
  }

  #askPermits(): Waiting[] {
    const waiting: Waiting[] = [];
    for (const plugin of pointsOf(this.#plugins).permit) {
      const answer = plugin.permit(this.#pod, this.#nodeName, this.#states.get(plugin), this.signal);
      if (answer instanceof Promise) waiting.push({ plugin, answer });
      else agree(plugin, answer);
    }
    return waiting;
  }

  async #permitted(waiting: readonly Waiting[]): Promise<void> {
    const late = this.clock.timer(LONGEST_PERMIT_MS, () =>
      this.end(`timeout after waiting ${LONGEST_PERMIT_MS / 60_000}m0s`),
    );
    const ended = new Promise<undefined>((resolve) => {
      if (this.signal.aborted) resolve(undefined);
      else this.signal.addEventListener('abort', () => resolve(undefined), { once: true });
    });
    this.#stage = 'waits for a permission';
    try {
      await this.#sayWhere();
      for (const { plugin, answer } of waiting) {
        const verdict = await this.whileOthers(Promise.race([answer, ended]));
        // Also where the plugin has said yes meanwhile: who gives way may not have the place.
        agree(plugin, this.#ended ? unschedulable(`rejected due to ${this.#ended.message}`) : verdict);
      }
    } finally {
      this.#stage = undefined;
      late.cancel();
    }
  }

  /** For those who would otherwise make room for it, or take away the node. Source: KEP-5278. Not worth giving up for. */
  async #sayWhere(): Promise<void> {
    const { name, namespace = '', uid } = this.#pod.metadata;
    const patch = { metadata: { uid }, status: { nominatedNodeName: this.#nodeName } };
    try {
      await this.client.patch(Pod, { name, namespace, subresource: 'status' }, { type: 'strategic', patch });
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
    }
  }

  /** Until it is done another pod may have the place: nobody else knows yet that it was to be this one's. */
  async #prepare(steps: ReturnType<typeof stepsBefore>): Promise<void> {
    this.#stage = 'is prepared';
    try {
      for (const step of steps) await preBind(step, this.#placement, this);
    } finally {
      this.#stage = undefined;
    }
    if (this.#hasGivenWay) throw new PluginFailed(this.#ended?.message);
  }

  async #bind(extenders: readonly Extender[]): Promise<void> {
    const extender = extenders.find((each) => each.bind && each.isInterested(this.#pod));
    if (extender) return extender.bind?.(this.#pod, this.#nodeName);
    for (const plugin of pointsOf(this.#plugins).bind) {
      try {
        if ((await plugin.bind(this.#pod, this.#nodeName, this)) === 'bound') return;
      } catch (error) {
        if (error instanceof Unreachable) return this.#learnOutcome(error);
        if (!(error instanceof StatusError)) throw error;
        throw new BindFailed(`running Bind plugin "${plugin.name}": ${error.message}`, error);
      }
    }
    throw new Error('no plugin of the profile binds pods');
  }

  /** The answer was lost: until it is known whether the pod is bound, its place is not anybody else's. */
  async #learnOutcome(lost: Unreachable): Promise<void> {
    const { name, namespace = '', uid } = this.#pod.metadata;
    while (!this.#ended) {
      await this.whileOthers(sleep(this.clock, ASK_AGAIN_MS));
      try {
        const { metadata, spec } = await this.client.get(Pod, { name, namespace });
        if (metadata.uid !== uid || !spec.nodeName) throw lost;
        return;
      } catch (error) {
        if (error === lost || !(error instanceof Unreachable || error instanceof StatusError)) throw error;
        if (error instanceof StatusError && hasReason(error, 'NotFound')) throw new BindFailed(lost.message, error);
      }
    }
    throw lost;
  }
}

/** How long after a lost answer the server is asked what became of it. */
const ASK_AGAIN_MS = 1_000;

/** The server did not take the binding. */
export class BindFailed extends Error {
  readonly code = 'BindFailed';
  override readonly cause: StatusError;

  constructor(message: string, cause: StatusError) {
    super(message);
    this.cause = cause;
  }
}

interface Waiting {
  plugin: Plugin;
  answer: Promise<Verdict>;
}

const NOBODY: readonly Waiting[] = [];
