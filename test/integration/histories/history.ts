/**
 * Random histories: what users do, what befalls pods, and what goes wrong with the controllers, in any order and without
 * waiting for anything to settle in between. In the end all is well again, and what was declared has to be so.
 */
import fc from 'fast-check';
import { Pod } from '#api/core/v1/pod.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { hasReason } from '#api/machinery/status.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import type { Controller } from '#control-plane/controllers/define-controller.ts';
import { type ClusterOptions, startCluster, type TestCluster } from '#testing/cluster.ts';
import { ShakyController } from './shaky-controller.ts';

/** So many in every run of the tests, fewer on a slow machine; FAST_CHECK_RUNS=N makes it N of each, however long it takes. */
export function runs(usual: number): { numRuns: number; interruptAfterTimeLimit?: number } {
  const wanted = process.env['FAST_CHECK_RUNS'];
  return wanted ? { numRuns: Number(wanted) } : { numRuns: usual, interruptAfterTimeLimit: 15_000 };
}

const TURNS = 25;
/** Of a watch that cannot be opened. */
const LONGEST_BACK_OFF_MS = 60_000;

export type Trouble =
  | { trouble: 'crash' | 'cut' | 'expire' | 'hold' | 'release'; who: number }
  | { trouble: 'crash after' | 'refuse' | 'lose'; who: number; writes: number }
  | { trouble: 'time'; ms: number };

/** What can go wrong with the controllers. An answer that is lost may make a pod too many for a moment, here as upstream. */
export function troubles({ lostAnswers = false } = {}): fc.Arbitrary<Trouble> {
  const who = fc.nat(5);
  const writes = fc.integer({ min: 1, max: 4 });
  return fc.oneof(
    fc.record({ trouble: fc.constantFrom('crash', 'cut', 'expire', 'hold', 'release'), who }),
    fc.record({
      trouble: fc.constantFrom('crash after', 'refuse', ...(lostAnswers ? ['lose' as const] : [])),
      who,
      writes,
    }),
    fc.record({ trouble: fc.constant('time' as const), ms: fc.constantFrom(10, 1_000, 15_000) }),
  );
}

export interface Moment<S> {
  step: S;
  /** Turns of the event loop until the next one. */
  turns: number;
}

export const history = <S>(...steps: fc.Arbitrary<S>[]): fc.Arbitrary<Moment<S>[]> =>
  fc.array(fc.record({ step: fc.oneof(...steps), turns: fc.nat(TURNS) }), { maxLength: 24, size: 'max' });

/** What became of an object, as the store saw it. */
export interface Seen<T extends KubeObject> {
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  object: T;
}

export interface WorldOptions extends Omit<ClusterOptions, 'controllers'> {
  /** Each is a process of its own. */
  shaky: readonly Controller[];
  /** What works as it should. */
  steady?: readonly Controller[];
}

/** A cluster whose controllers are on bad ground. */
export class World {
  readonly cluster: TestCluster;
  readonly #controllers: ShakyController[];
  readonly #stopping = new AbortController();

  private constructor(cluster: TestCluster, controllers: ShakyController[]) {
    this.cluster = cluster;
    this.#controllers = controllers;
  }

  static async begin({ shaky, steady = [], ...options }: WorldOptions): Promise<World> {
    const controllers: ShakyController[] = [];
    const bugs: unknown[] = [];
    const cluster = await startCluster({
      ...options,
      controllers: steady,
      components: shaky.map((shakyOne) => (services) => {
        const onBug = (error: unknown) => (cluster as TestCluster | undefined)?.fail(error) ?? bugs.push(error);
        const controller = new ShakyController(shakyOne, { ...services, onBug });
        controllers.push(controller);
        return controller;
      }),
    });
    for (const bug of bugs) cluster.fail(bug);
    return new World(cluster, controllers);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.cluster[Symbol.asyncDispose]();
  }

  /** Everything that happens to objects of a kind from now on, in order. */
  follow<T extends KubeObject>(kind: Kind<T>): readonly Seen<T>[] {
    const seen: Seen<T>[] = [];
    const { signal } = this.#stopping;
    void (async () => {
      for await (const { type, object } of this.cluster.client.watch(kind, { signal }))
        if (type !== 'BOOKMARK') seen.push({ type, object });
    })();
    return seen;
  }

  /** Lives through it; `act` is for what is not a trouble. */
  async lives<S extends object>(
    moments: readonly Moment<S | Trouble>[],
    act: (step: Exclude<S, Trouble>) => Promise<unknown>,
  ): Promise<void> {
    for (const { step, turns } of moments) {
      if ('trouble' in step) this.#happens(step);
      else await refused(act(step as Exclude<S, Trouble>));
      await this.#turns(turns);
    }
  }

  /** All goes well from now on, for so long. */
  async comesToRest(ms: number): Promise<void> {
    for (const controller of this.#controllers) controller.heal();
    // A cut watch is tried again after a while: until then its informer is behind, and nothing is at rest.
    await this.goesOn(LONGEST_BACK_OFF_MS, 1_000);
    await this.cluster.passes(ms);
  }

  /** Time passes in steps, whatever is held up meanwhile. */
  async goesOn(ms: number, stepMs: number): Promise<void> {
    for (let passedMs = 0; passedMs < ms; passedMs += stepMs) {
      this.cluster.clock.jump(stepMs);
      await this.#turns(10);
    }
  }

  /** Of those that are there now, in a fixed order; undefined when there is none. */
  async nthPod(n: number, isMeant: (pod: Pod) => boolean = () => true): Promise<Pod | undefined> {
    const { items } = await this.cluster.client.list(Pod, { namespace: 'default' });
    const meant = items.filter(isMeant);
    return meant[n % meant.length];
  }

  /** As its kubelet would say it. */
  async podEnds(pod: Pod | undefined, phase: 'Failed' | 'Succeeded', exitCode = phase === 'Failed' ? 1 : 0) {
    if (!pod) return;
    const finishedAt = timestampOf(this.cluster.clock.now());
    const containerStatuses = pod.spec.containers.map(({ name, image }) => ({
      ...{ name, image: image ?? '', imageID: '', ready: false, restartCount: 0 },
      state: { terminated: { exitCode, finishedAt, reason: phase === 'Failed' ? 'Error' : 'Completed' } },
    }));
    const conditions = [{ type: 'Ready', status: 'False', lastTransitionTime: finishedAt }];
    await this.cluster.patch(
      Pod,
      { ...namedLike(pod), subresource: 'status' },
      { status: { phase, containerStatuses, conditions } },
    );
  }

  #happens(trouble: Trouble): void {
    if (trouble.trouble === 'time') {
      this.cluster.clock.jump(trouble.ms);
      return;
    }
    const controller = this.#controllers[trouble.who % this.#controllers.length];
    if (trouble.trouble === 'crash') controller?.crash();
    else if (trouble.trouble === 'cut') controller?.cutWatches('closed');
    else if (trouble.trouble === 'expire') controller?.cutWatches('expired');
    else if (trouble.trouble === 'hold') controller?.hold();
    else if (trouble.trouble === 'release') controller?.release();
    else if (trouble.trouble === 'crash after') controller?.crashAfter(trouble.writes);
    else if (trouble.trouble === 'refuse') controller?.refuse(trouble.writes);
    else if (trouble.trouble === 'lose') controller?.loseAnswers(trouble.writes);
  }

  async #turns(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      this.cluster.clock.fireDue();
    }
  }
}

export const namedLike = ({ metadata: { name, namespace } }: KubeObject) => ({ name, ...(namespace && { namespace }) });

/** A user whose request is out of place (there already, gone, changed meanwhile, not allowed now) is told so, and that is all. */
export async function refused(asked: Promise<unknown>): Promise<void> {
  try {
    await asked;
  } catch (error) {
    if (!hasReason(error, 'NotFound', 'AlreadyExists', 'Conflict', 'Invalid', 'Forbidden', 'TooManyRequests'))
      throw error;
  }
}
