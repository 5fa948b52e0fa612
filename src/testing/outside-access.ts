/** How programs outside of the test reach its cluster: the API over HTTPS, and behind it the kubelet of the simulated nodes. */
import type { SharedInformers } from '#client/informers.ts';
import { type SimulatedKubelet, startSimulatedKubelet } from '#cmd/simulated-kubelet/simulated-kubelet.ts';
import type { SimulatedNodes } from '#node/simulated/simulated-nodes.ts';
import { HttpsEdge, type HttpsEdgeOptions } from './https-edge.ts';

export interface OutsideAccessOptions extends HttpsEdgeOptions {
  /** Those that there are when it is asked for a node. */
  simulated: readonly SimulatedNodes[];
  informers(): SharedInformers;
}

export class OutsideAccess {
  readonly #options: OutsideAccessOptions;
  #edge: Promise<HttpsEdge> | undefined;
  #kubelet: SimulatedKubelet | undefined;

  constructor(options: OutsideAccessOptions) {
    this.#options = options;
  }

  /** From the first time that somebody asks. */
  listening(): Promise<HttpsEdge> {
    this.#edge ??= this.#listen();
    return this.#edge;
  }

  nearKubelet(nodeName: string): { host: string; port: number } | undefined {
    return this.#kubelet?.addressOf(nodeName);
  }

  async close(): Promise<void> {
    const edge = await this.#edge;
    await this.#kubelet?.close();
    await edge?.close();
  }

  async #listen(): Promise<HttpsEdge> {
    const { simulated, informers, clock, log } = this.#options;
    const edge = await HttpsEdge.open(this.#options);
    const memberOf = (name: string) => simulated.find((nodes) => nodes.member(name));
    this.#kubelet = await startSimulatedKubelet({
      nodes: {
        member: (name) => memberOf(name)?.member(name),
        isStopped: (name) => memberOf(name)?.isStopped(name) ?? false,
      },
      informers: informers(),
      pki: edge.pki,
      clock,
      log,
    });
    return edge;
  }
}
