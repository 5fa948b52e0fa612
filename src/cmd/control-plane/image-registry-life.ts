/** When the cluster has its image registry: from its start on where it has nodes, else as soon as its first node comes. */
import type { Node } from '#api/core/v1/node.ts';
import type { Log } from '#base/log.ts';
import type { Client } from '#client/client.ts';
import type { Informer } from '#client/informer.ts';
import { SIMULATED_LABEL } from '#node/simulated/simulated-node.ts';
import { ensureRegistryAnnounced, type ImageRegistry } from './image-registry.ts';

export interface ImageRegistryLifeOptions {
  client: Client;
  log: Log;
  /** undefined: the cluster is to go without. */
  open: () => Promise<ImageRegistry | undefined>;
}

export class ImageRegistryLife {
  readonly #options: ImageRegistryLifeOptions;
  #opened: Promise<ImageRegistry | undefined> | undefined;
  #stopWaiting: () => void = () => undefined;
  #isClosed = false;

  constructor(options: ImageRegistryLifeOptions) {
    this.#options = options;
  }

  /** Once, whoever asks. Throws what opening throws, and what the API does. */
  async open(): Promise<void> {
    if (this.#isClosed) return;
    const isFirst = this.#opened === undefined;
    this.#opened ??= this.#options.open();
    const registry = await this.#opened;
    if (isFirst && registry) await ensureRegistryAnnounced(this.#options.client, registry.host);
  }

  /** The addresses by which nodes reach it come with the first of them: before that it could not listen there. */
  openWithFirstNode(nodes: Pick<Informer<Node>, 'list' | 'onChange'>): void {
    if (this.#opened) return;
    this.#stopWaiting = nodes.onChange(({ now }) => {
      if (now) this.#openFor(now);
    });
    const known = nodes.list().find(runsContainers);
    if (known) this.#openFor(known);
  }

  #openFor(node: Node): void {
    if (!runsContainers(node)) return;
    this.#stopWaiting();
    this.open().catch((error: unknown) => {
      this.#options.log.error('the image registry cannot be opened', { error: String(error) });
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopWaiting();
    const registry = await this.#opened?.catch(() => undefined); // told to who opened it
    await registry?.close();
  }
}

const runsContainers = ({ metadata }: Node): boolean => metadata.labels?.[SIMULATED_LABEL] === undefined;
