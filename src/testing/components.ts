/** What runs in a test cluster beside the API server, by name, so that each can die and come back in the middle of its work. */
import type { SharedInformers } from '#client/informers.ts';

export interface TestComponent {
  /** How much it has to do at once; what waits for a time is not counted. */
  readonly busy: number;
  /** Informers to wait for. */
  readonly informers?: SharedInformers;
  stop(): void | Promise<void>;
}

/** Put together from functions: an accessor that is written into an object is born old, with all that it reaches (decision 27). */
export class AskedComponent implements TestComponent {
  readonly informers?: SharedInformers;
  readonly #busy: () => number;
  readonly #stop: () => void | Promise<void>;

  constructor({ busy, informers, stop }: AskedParts) {
    if (informers) this.informers = informers;
    this.#busy = busy;
    this.#stop = stop;
  }

  get busy(): number {
    return this.#busy();
  }

  stop(): void | Promise<void> {
    return this.#stop();
  }
}

interface AskedParts extends Pick<TestComponent, 'informers' | 'stop'> {
  busy(): number;
}

/** One that begins to run later. */
export class LateComponent implements TestComponent {
  readonly #start: () => TestComponent;
  readonly informers: SharedInformers;
  #running: TestComponent | undefined;
  #isStopped = false;

  /** `informers`: what it will use. */
  constructor(start: () => TestComponent, informers: SharedInformers) {
    this.#start = start;
    this.informers = informers;
  }

  begin(): void {
    if (!this.#isStopped) this.#running ??= this.#start();
  }

  get busy(): number {
    return this.#running?.busy ?? 0;
  }

  stop(): void | Promise<void> {
    this.#isStopped = true;
    return this.#running?.stop();
  }
}

/** The first time with the informers that all share; later with its own: who died has forgotten what it knew. */
export type StartComponent = (informers?: SharedInformers) => TestComponent;

export class Components {
  readonly #named = new Map<string, StartComponent>();
  readonly #runningByName = new Map<string, TestComponent>();
  readonly #nameless = new Set<TestComponent>();
  /** Both are asked for at every turn of a cluster that settles; undefined when components have come or gone. */
  #running: readonly TestComponent[] | undefined;
  #informers: ReadonlySet<SharedInformers> | undefined;

  /** Those that can be stopped and started, in the order in which they were added. */
  get names(): string[] {
    return [...this.#named.keys()];
  }

  running(): readonly TestComponent[] {
    this.#running ??= [...this.#nameless, ...this.#runningByName.values()];
    return this.#running;
  }

  /** Each once, whoever shares them. A component that begins anew by itself has others then. */
  informers(): ReadonlySet<SharedInformers> {
    const running = this.running();
    if (running.some(({ informers }) => informers && !this.#informers?.has(informers))) this.#informers = undefined;
    this.#informers ??= new Set(running.flatMap(({ informers }) => informers ?? []));
    return this.#informers;
  }

  add(component: TestComponent): void {
    this.#nameless.add(component);
    this.#changed();
  }

  remove(component: TestComponent): void {
    this.#nameless.delete(component);
    this.#changed();
  }

  addNamed(name: string, start: StartComponent, informers: SharedInformers): void {
    this.#named.set(name, start);
    this.#runningByName.set(name, start(informers));
    this.#changed();
  }

  /** Nothing happens to one that runs. */
  start(name: string): void {
    const start = this.#named.get(name);
    if (!start) throw new Error(`no component ${name} runs in this cluster: there are ${this.names.join(', ')}`);
    if (this.#runningByName.has(name)) return;
    this.#runningByName.set(name, start());
    this.#changed();
  }

  /** Nothing happens to one that has stopped. */
  stop(name: string): void {
    if (!this.#named.has(name))
      throw new Error(`no component ${name} runs in this cluster: there are ${this.names.join(', ')}`);
    void this.#runningByName.get(name)?.stop();
    this.#runningByName.delete(name);
    this.#changed();
  }

  /** The last that was added first. */
  async stopAll(): Promise<void> {
    for (const component of [...this.running()].reverse()) await component.stop();
    this.#runningByName.clear();
    this.#nameless.clear();
    this.#changed();
  }

  #changed(): void {
    this.#running = undefined;
    this.#informers = undefined;
  }
}
