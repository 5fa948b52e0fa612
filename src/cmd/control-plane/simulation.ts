/**
 * Nodes on paper in a running cluster: those that `kedge up --simulated-nodes` asks for, as an object like any other pool, and
 * those of the record that this machine cannot run. Without either there is no trace of them. Of several control planes that share
 * a store one simulates the pools; all of them answer for their nodes.
 */
import { ownKinds } from '#api/catalog.ts';
import { Node } from '#api/core/v1/node.ts';
import type { Taint } from '#api/generated/schema.ts';
import { OWN_POOL, SimulatedNodePool } from '#api/kedge/v1alpha1/simulated-node-pool.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { hasReason } from '#api/machinery/status.ts';
import type { Log } from '#base/log.ts';
import { throwOutOfPromises } from '#base/out-of-promises.ts';
import type { Client } from '#client/client.ts';
import type { Informers } from '#client/informer.ts';
import type { Electable } from '#client/while-leading.ts';
import type { NearKubelet } from '#control-plane/apiserver/registry/behaviour.ts';
import type { ClusterRecord } from '#node/machine/cluster-dir.ts';
import type { NodeUsage } from '#node/simulated/usage-meter.ts';
import { SimulatedMembers } from '#node/simulated/simulated-members.ts';
import { DEFAULT_CAPACITY, SIMULATED_LABEL } from '#node/simulated/simulated-node.ts';
import { POOL_LABEL, SimulatedNodePools } from '#node/simulated/simulated-node-pools.ts';
import { SimulatedNodes, type SimulatedNodesServices } from '#node/simulated/simulated-nodes.ts';
import { LEASE_OF_GRACE } from '../node-config.ts';
import type { Pki } from '../pki/pki.ts';
import { type SimulatedKubelet, startSimulatedKubelet } from '../simulated-kubelet/simulated-kubelet.ts';
import { systemClock, systemRandom } from '../system-clock.ts';

export interface SimulationOptions {
  cluster: Pick<ClusterRecord, 'simulatedNodes' | 'nodes' | 'settings'>;
  /** Nodes of the record that this machine cannot run. */
  simulate: readonly string[];
  pki: Pki;
  log: Log;
}

export interface SimulationServices {
  client: Client;
  informers: Informers;
  /** Where others share the store: runs a part while this control plane is the one that does. */
  whileLeading?: ((component: string, start: () => Electable) => { stop(): Promise<void> }) | undefined;
}

/** What `--simulated-nodes` said last: another number means that somebody has changed their mind, and not the pool. */
const ASKED_FOR = 'kedge.dev/asked-for';
/** Whoever holds the Lease of this name simulates. */
const COMPONENT = 'kedge-simulated-nodes';
/** Beside real nodes: a pod that somebody wants to talk to must not end on paper by chance. */
const TAINTS: readonly Taint[] = [{ key: SIMULATED_LABEL, value: 'true', effect: 'NoSchedule' }];

export class Simulation {
  readonly #options: SimulationOptions;
  readonly #isOn: boolean;
  #isBesideReal: boolean;
  #pools: SimulatedNodePools | undefined;
  #kubelet: SimulatedKubelet | undefined;
  readonly #stops: (() => void | Promise<void>)[] = [];

  constructor(options: SimulationOptions) {
    const { cluster, simulate } = options;
    this.#options = options;
    this.#isOn = cluster.simulatedNodes > 0 || simulate.length > 0;
    this.#isBesideReal = simulate.length === 0 && Object.keys(cluster.nodes).length > 0;
  }

  get kinds(): readonly Kind[] {
    return this.#isOn ? ownKinds.simulatedNodes : [];
  }

  readonly nearKubelet: NearKubelet = (nodeName) => this.#kubelet?.addressOf(nodeName);

  readonly usageOf = ({ metadata }: Node): NodeUsage | undefined => this.#kubelet?.usageOf(metadata.name);

  /** Resolves when the nodes of the record are registered; those of pools follow. */
  async start({ client, informers, whileLeading }: SimulationServices): Promise<void> {
    if (!this.#isOn) return whileLeading ? undefined : removeAll(client); // others may simulate
    const { cluster, simulate, pki, log } = this.#options;
    const { nodeMonitorGracePeriodSeconds: graceSeconds } = cluster.settings;
    const services: SimulatedNodesServices = {
      client,
      informers,
      clock: systemClock,
      random: systemRandom,
      log,
      ...(graceSeconds !== undefined && { leaseSeconds: Math.max(1, Math.floor(graceSeconds * LEASE_OF_GRACE)) }),
    };
    if (!this.#isBesideReal && simulate.length === 0) await this.#awaitReal(informers);
    if (cluster.simulatedNodes > 0) await ensurePool(client, cluster.simulatedNodes);
    if (whileLeading) {
      const part = whileLeading(COMPONENT, () => {
        const pools = this.#poolsOver(services);
        pools.start().catch(throwOutOfPromises);
        return pools;
      });
      this.#stops.push(() => part.stop());
      if (simulate.length > 0) await this.#putInPlace(await this.#nodesOver(services));
    } else {
      const pools = this.#poolsOver(services);
      this.#stops.push(() => pools.stop());
      await pools.start();
      await this.#putInPlace(pools.nodes);
    }
    const nodes = new SimulatedMembers(informers, simulate);
    this.#kubelet = await startSimulatedKubelet({ nodes, informers, pki, clock: systemClock, log });
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops) await stop();
    await this.#kubelet?.close();
  }

  #poolsOver(services: SimulatedNodesServices): SimulatedNodePools {
    this.#pools = new SimulatedNodePools({ ...services, ...(this.#isBesideReal && { givenOnce: TAINTS }) });
    return this.#pools;
  }

  async #nodesOver(services: SimulatedNodesServices): Promise<SimulatedNodes> {
    const nodes = new SimulatedNodes(services);
    this.#stops.push(() => nodes.stop());
    await nodes.start();
    return nodes;
  }

  /** Those that this machine cannot run. */
  async #putInPlace(nodes: SimulatedNodes): Promise<void> {
    const template = { capacity: DEFAULT_CAPACITY };
    await Promise.all(this.#options.simulate.map((name) => nodes.put(name, { template, rules: [] })));
  }

  /** A real node may come later, also one of another control plane. */
  async #awaitReal(informers: Informers): Promise<void> {
    const nodes = informers.for(Node);
    await informers.synced();
    const look = (node: Node | undefined) => {
      if (this.#isBesideReal || !node || node.metadata.labels?.[SIMULATED_LABEL]) return;
      this.#isBesideReal = true;
      this.#pools?.give(TAINTS);
    };
    this.#stops.push(nodes.onChange(({ now }) => look(now)));
    for (const node of nodes.list()) look(node);
  }
}

/** Whoever has scaled the pool since has the last word. */
async function ensurePool(client: Client, count: number): Promise<void> {
  const annotations = { [ASKED_FOR]: String(count) };
  try {
    await client.create(SimulatedNodePool, { metadata: { name: OWN_POOL, annotations }, spec: { count } });
    return;
  } catch (error) {
    if (!hasReason(error, 'AlreadyExists')) throw error;
  }
  const pool = await client.get(SimulatedNodePool, { name: OWN_POOL });
  if (pool.metadata.annotations?.[ASKED_FOR] === annotations[ASKED_FOR]) return;
  const patch = { metadata: { annotations }, spec: { count } };
  await client.patch(SimulatedNodePool, { name: OWN_POOL }, { type: 'merge', patch });
}

/** Of a time when they were switched on. */
async function removeAll(client: Client): Promise<void> {
  const { items } = await client.list(Node, { labelSelector: POOL_LABEL });
  for (const { metadata } of items) await client.delete(Node, { name: metadata.name });
}
