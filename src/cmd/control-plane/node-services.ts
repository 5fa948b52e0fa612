/**
 * What a cluster offers only beside nodes that run containers, and on addresses that come with the first of them: from its
 * start on where it has nodes, else as soon as one comes.
 */

/** Opens it. Where something is left to be closed: gives how. */
export type NodeService = () => Promise<(() => Promise<void>) | undefined | void>;

type Outcome = PromiseSettledResult<Awaited<ReturnType<NodeService>>>;

export class NodeServices {
  readonly #services: readonly NodeService[];
  #opened: Promise<Outcome[]> | undefined;
  #isClosed = false;

  constructor(services: readonly NodeService[]) {
    this.#services = services;
  }

  /** Once, whoever asks, in their order; one that fails leaves the others alone. Throws what the first of them throws. */
  async open(): Promise<void> {
    if (this.#isClosed) return;
    this.#opened ??= this.#openAll();
    for (const outcome of await this.#opened) if (outcome.status === 'rejected') throw outcome.reason;
  }

  async #openAll(): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    for (const service of this.#services) outcomes.push(...(await Promise.allSettled([service()])));
    return outcomes;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const outcome of (await this.#opened) ?? []) if (outcome.status === 'fulfilled') await outcome.value?.();
  }
}
