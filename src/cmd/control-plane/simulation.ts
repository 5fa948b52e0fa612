/**
 * Nodes on paper in a running cluster: those that `kedge up --simulated-nodes` asks for, as an object like any other pool, and
 * those of the record that this machine cannot run. Without either there is no trace of them.
 */
import { ownKinds } from '#api/catalog.ts';
import { Node } from '#api/core/v1/node.ts';
import type { Taint } from '#api/generated/schema.ts';
import { SimulatedNodePool } from '#api/kedge/v1alpha1/simulated-node-pool.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { hasReason } from '#api/machinery/status.ts';
import type { Log } from '#base/log.ts';
import type { Client } from '#client/client.ts';
import type { Informers } from '#client/informer.ts';
import type { NearKubelet } from '#control-plane/apiserver/registry/behaviour.ts';
import type { ClusterRecord } from '#node/machine/cluster-dir.ts';
import type { NodeUsage } from '#node/simulated/pod-usage.ts';
import { DEFAULT_CAPACITY, SIMULATED_LABEL } from '#node/simulated/simulated-node.ts';
import { POOL_LABEL, SimulatedNodePools } from '#node/simulated/simulated-node-pools.ts';
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

/** The pool of `--simulated-nodes`. */
const OWN_POOL = 'simulated';
/** What `--simulated-nodes` said last: another number means that somebody has changed their mind, and not the pool. */
const ASKED_FOR = 'kedge.dev/asked-for';

export class Simulation {
  readonly #options: SimulationOptions;
  readonly #isOn: boolean;
  #pools: SimulatedNodePools | undefined;
  #kubelet: SimulatedKubelet | undefined;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#isOn = options.cluster.simulatedNodes > 0 || options.simulate.length > 0;
  }

  get kinds(): readonly Kind[] {
    return this.#isOn ? ownKinds.simulatedNodes : [];
  }

  readonly nearKubelet: NearKubelet = (nodeName) => this.#kubelet?.addressOf(nodeName);

  readonly usageOf = ({ metadata }: Node): NodeUsage | undefined => this.#kubelet?.usageOf(metadata.name);

  /** Resolves when the nodes of the record are registered; those of pools follow. */
  async start({ client, informers }: { client: Client; informers: Informers }): Promise<void> {
    if (!this.#isOn) return removeAll(client);
    const { cluster, simulate, pki, log } = this.#options;
    const { nodeMonitorGracePeriodSeconds: graceSeconds } = cluster.settings;
    const taints = taintsOf(this.#options);
    const pools = new SimulatedNodePools({
      client,
      informers,
      clock: systemClock,
      random: systemRandom,
      log,
      taints,
      ...(graceSeconds !== undefined && { leaseSeconds: Math.max(1, Math.floor(graceSeconds * LEASE_OF_GRACE)) }),
    });
    this.#pools = pools;
    if (cluster.simulatedNodes > 0) await ensurePool(client, cluster.simulatedNodes);
    await pools.start();
    const template = { taints, capacity: DEFAULT_CAPACITY };
    await Promise.all(simulate.map((name) => pools.nodes.put(name, { template, rules: [] })));
    this.#kubelet = await startSimulatedKubelet({ nodes: pools.nodes, informers, pki, clock: systemClock, log });
  }

  async stop(): Promise<void> {
    this.#pools?.stop();
    await this.#kubelet?.close();
  }
}

/** Beside real nodes they are tainted: a pod that somebody wants to talk to must not end on paper by chance. */
function taintsOf({ cluster, simulate }: SimulationOptions): Taint[] {
  const hasRealNodes = simulate.length === 0 && Object.keys(cluster.nodes).length > 0;
  return hasRealNodes ? [{ key: SIMULATED_LABEL, value: 'true', effect: 'NoSchedule' }] : [];
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
