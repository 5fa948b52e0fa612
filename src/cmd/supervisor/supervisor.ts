/**
 * Keeps one cluster running on this machine: the control plane, the nodes, the network between them. Whatever it finds
 * running it adopts, so a new supervisor after a crash disturbs nothing. All changes to nodes pass through here, one at a time.
 */
import { join } from 'node:path';
import type { Timer } from '#base/clock.ts';
import type { ClusterStatus, ImagesOfNode, NodeStatus } from '#cli/control-protocol.ts';
import { Client } from '#client/client.ts';
import { SharedInformers } from '#client/informers.ts';
import { transportFromKubeconfig } from '#client/transport/kubeconfig.ts';
import { BlobStore } from '#node/images/blob-store.ts';
import { type ClusterRecord, cacheFolder, writeCluster } from '#node/machine/cluster-dir.ts';
import { takeDown } from '#node/machine/cluster-removal.ts';
import { missingForNodes } from '#node/machine/detect.ts';
import { firewallWarnings } from '#node/machine/firewall.ts';
import { dropRoute, ensureHostNetwork, routeToNodes } from '#node/machine/host-network.ts';
import { exportImage, importImage, listImages } from '#node/machine/node-images.ts';
import { freeIndex, NoSuchNode, nodeLayout } from '#node/machine/node-layout.ts';
import { planFor } from '#node/machine/slots.ts';
import { type Invitation, written } from '../agent/invitation.ts';
import { controlPlaneProgram } from '../engine-options.ts';
import type { Pki } from '../pki/pki.ts';
import { systemRandom } from '../system-clock.ts';
import { branchesOf } from './branches.ts';
import { ensureClusterCredentials, localServer, serverForNodes } from './cluster-credentials.ts';
import { farNodes, type InvitationWish, invitationFor, linkTo, placeFor } from './elsewhere.ts';
import { KeptProcess } from './kept-process.ts';
import { nodeCredentials, writeNodeCredentials } from './node-credentials.ts';
import { NodeRefused } from './node-refused.ts';
import { PublishedPorts } from './published/published-ports.ts';
import { SupervisedNode } from './supervised-node.ts';
import type { SupervisorContext } from './supervisor-context.ts';

const REPAIR_EVERY_MS = 1_000;
/** A link that went down took its routes along. */
const REPAIRS_BETWEEN_ROUTES = 30;
const NODE_GRACE_MS = 2_000;
const NAME = /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/;

export class Supervisor {
  readonly #context: SupervisorContext;
  readonly #nodes = new Map<string, SupervisedNode>();
  readonly #blobs: BlobStore;
  readonly #controlPlane: KeptProcess;
  readonly #version: string;
  /** Nodes of the record that this machine cannot run: they are simulated, under their names. */
  readonly #simulated: string[];
  /** This machine can have a network of nodes. */
  readonly #canRun: boolean;
  #cluster: ClusterRecord;
  #pki: Pki | undefined;
  #phase: ClusterStatus['phase'] = 'starting';
  #warnings: string[] = [];
  #turn: Promise<unknown> = Promise.resolve();
  #repair: Timer | undefined;
  #published: PublishedPorts | undefined;
  #repairs = 0;
  readonly #stopping = new AbortController();

  constructor(context: SupervisorContext, cluster: ClusterRecord, version: string) {
    this.#context = context;
    this.#cluster = cluster;
    this.#version = version;
    this.#blobs = new BlobStore(join(cacheFolder(process.env), 'images'), context.clock);
    const { paths, clock, log, program, onChange, facts } = context;
    const here = Object.keys(cluster.nodes).filter((node) => !cluster.nodes[node]?.address);
    this.#canRun = missingForNodes(facts).length === 0;
    this.#simulated = this.#canRun ? [] : here;
    const simulate = this.#simulated.flatMap((node) => ['--simulate', node]);
    this.#controlPlane = new KeptProcess({
      name: 'control-plane',
      argv: [
        ...controlPlaneProgram(program),
        ...['control-plane', '--data-dir', paths.dataDir, '--name', cluster.name, ...simulate],
      ],
      logFile: join(paths.logs, 'control-plane.log'),
      paths,
      clock,
      log,
      onChange,
    });
    if (this.#canRun) for (const node of here) this.#addSupervised(node);
  }

  status(): ClusterStatus {
    const nodes = [...this.#nodes.values()];
    return {
      name: this.#cluster.name,
      dataDir: this.#context.paths.dataDir,
      version: this.#version,
      supervisorPid: process.pid,
      phase: this.#phase,
      hasKubeconfig: this.#pki !== undefined,
      server: localServer(this.#cluster),
      processes: [this.#controlPlane.status, ...nodes.flatMap(({ processes }) => processes)],
      nodes: [...nodes.map(({ status }) => status), ...this.#simulated.map(simulatedStatus)],
      simulatedNodes: this.#cluster.simulatedNodes,
      nodesElsewhere: farNodes(this.#cluster).map(({ isElsewhere: _, ...node }) => node),
      published: this.#published?.status ?? [],
      warnings: this.#warnings,
    };
  }

  /** A node that cannot be started leaves the others alone: its status tells why. */
  start(): Promise<void> {
    return this.#inTurn(async () => {
      const { paths, clock } = this.#context;
      // An API server that listens for other machines may be asked for one of them later.
      const isForOthers = (this.#cluster.listen ?? []).length + farNodes(this.#cluster).length > 0;
      const hasNodes = this.#nodes.size > 0 || (this.#canRun && isForOthers);
      if (hasNodes) await ensureHostNetwork(planFor(this.#cluster));
      this.#pki = await ensureClusterCredentials(this.#cluster, paths, clock);
      const wanted = [...this.#nodes.values()].filter(({ layout }) => !this.#cluster.nodes[layout.name]?.stopped);
      const nodes = wanted.map((node) => this.#startNode(node).catch((error) => this.#nodeFailed(node, error)));
      await Promise.all([this.#controlPlane.start(), ...nodes]);
      await this.#connect();
      if (hasNodes) await this.#openToMachine();
      this.#setPhase('running');
      this.#repairLater();
    });
  }

  stop(graceMs: number): Promise<void> {
    this.#setPhase('stopping');
    return this.#inTurn(async () => {
      this.#repair?.cancel();
      this.#published?.close();
      this.#stopping.abort();
      const { paths, facts, clock } = this.#context;
      await Promise.all([...this.#nodes.values()].map((node) => node.stop(graceMs)));
      await this.#controlPlane.stop(10_000);
      await takeDown({ cluster: this.#cluster, paths, facts, clock, graceMs });
    });
  }

  addNode(name: string): Promise<void> {
    return this.#inTurn(async () => {
      this.#refuseUnlessPossible(name);
      if (Object.hasOwn(this.#cluster.nodes, name)) throw new NodeRefused(`there is a node "${name}" already`);
      if (this.#nodes.size === 0) await ensureHostNetwork(planFor(this.#cluster));
      const nodes = { ...this.#cluster.nodes, [name]: { index: freeIndex(this.#cluster.nodes) } };
      await this.#record({ ...this.#cluster, nodes });
      const node = this.#addSupervised(name);
      await this.#startNode(node);
      await this.#connect();
      if (!this.#published) await this.#openToMachine(); // it is the first one
      await this.#copyImagesTo(node);
    });
  }

  /** Reserves a node's place for another machine. Asked again, it gives the same place and credentials that are good. */
  inviteNode(wish: InvitationWish): Promise<object> {
    return this.#inTurn(async () => {
      const { name } = wish;
      this.#refuseUnlessPossible(name);
      const pki = this.#readyPki();
      const place = placeFor(this.#cluster, wish);
      const link = await linkTo(this.#cluster, wish);
      if (this.#nodes.size === 0) await ensureHostNetwork(planFor(this.#cluster));
      await this.#record({ ...this.#cluster, nodes: { ...this.#cluster.nodes, [name]: place } });
      await this.#connect();
      const invitation: Invitation = invitationFor({ pki, cluster: this.#cluster }, wish, link);
      return written(invitation);
    });
  }

  removeNode(name: string): Promise<void> {
    return this.#inTurn(async () => {
      const far = farNodes(this.#cluster).find((node) => node.name === name);
      if (far) for (const range of far.podRanges) await dropRoute(range);
      else await this.#nodeNamed(name).remove(NODE_GRACE_MS);
      this.#nodes.delete(name);
      const { [name]: _gone, ...nodes } = this.#cluster.nodes;
      await this.#record({ ...this.#cluster, nodes });
      await this.#connect();
    });
  }

  stopNode(name: string): Promise<void> {
    return this.#inTurn(async () => {
      await this.#nodeNamed(name).stop(NODE_GRACE_MS);
      await this.#markStopped(name, true);
      await this.#connect();
    });
  }

  startNode(name: string): Promise<void> {
    return this.#inTurn(async () => {
      await this.#startNode(this.#nodeNamed(name));
      await this.#markStopped(name, false);
      await this.#connect();
    });
  }

  images(): Promise<ImagesOfNode[]> {
    return Promise.all(
      this.#running().map(async ({ layout }) => ({ node: layout.name, images: await listImages(layout) })),
    );
  }

  async importImage(archive: AsyncIterable<Uint8Array>): Promise<ImagesOfNode[]> {
    const nodes = this.#running();
    if (nodes.length === 0)
      throw new NodeRefused('no node with real containers runs; there is nowhere to put an image');
    const { branches, fed } = branchesOf(archive, nodes.length);
    const imports = branches.map((branch, i) => importImage((nodes[i] as SupervisedNode).layout, branch));
    await Promise.all([fed, ...imports]);
    return this.images();
  }

  /** Ports of this machine that lead to nodes, and what of it may be in their way. */
  async #openToMachine(): Promise<void> {
    await this.#publish();
    this.#warnings = await firewallWarnings(planFor(this.#cluster).bridge);
  }

  async #publish(): Promise<void> {
    const { paths, clock, log } = this.#context;
    const informers = () => {
      const transport = transportFromKubeconfig(paths.kubeconfig, { clock, userAgent: 'kedge-supervisor' });
      const { signal } = this.#stopping;
      return new SharedInformers({ client: new Client(transport), clock, random: systemRandom, log, signal });
    };
    const { publish = [] } = this.#cluster;
    this.#published = new PublishedPorts({ plan: planFor(this.#cluster), publish, informers, log });
    await this.#published.open();
  }

  #addSupervised(name: string): SupervisedNode {
    const layout = nodeLayout(this.#cluster, this.#context.paths, name);
    const node = new SupervisedNode(layout, this.#context, this.#blobs);
    this.#nodes.set(name, node);
    return node;
  }

  async #startNode(node: SupervisedNode): Promise<void> {
    const { layout } = node;
    await writeNodeCredentials(layout, nodeCredentials(this.#readyPki(), layout, serverForNodes(this.#cluster)));
    await node.start();
  }

  #readyPki(): Pki {
    if (!this.#pki) throw new NodeRefused('the cluster is only starting; try again');
    return this.#pki;
  }

  #refuseUnlessPossible(name: string): void {
    if (!this.#canRun) throw new NodeRefused('this machine cannot run nodes with real containers');
    if (!NAME.test(name)) throw new NodeRefused(`"${name}" is not a node name: lower case letters, digits and "-"`);
  }

  #nodeFailed({ layout }: SupervisedNode, error: unknown): void {
    this.#context.log.error('a node cannot be started', { node: layout.name, error });
  }

  /** Routes from the host to the nodes that run, wherever. Those between nodes are the nodes' own. */
  async #connect(): Promise<void> {
    const running = this.#running().flatMap((node) => node.running?.layout ?? []);
    const plan = planFor(this.#cluster);
    const far = this.#canRun ? farNodes(this.#cluster) : [];
    if (this.#nodes.size + running.length + far.length === 0) return;
    const refused = await routeToNodes(plan, [...running, ...far]);
    if (refused) this.#context.log.warn('pods of another machine cannot be reached yet', { reason: refused });
  }

  async #copyImagesTo(node: SupervisedNode): Promise<void> {
    const source = this.#running().find(({ layout }) => layout.name !== node.layout.name);
    if (!source) return;
    const present = new Set((await listImages(node.layout)).map(({ name }) => name));
    for (const { name } of await listImages(source.layout)) {
      if (!present.has(name)) await importImage(node.layout, exportImage(source.layout, name));
    }
  }

  #running(): SupervisedNode[] {
    return [...this.#nodes.values()].filter(({ status }) => status.state === 'running');
  }

  #nodeNamed(name: string): SupervisedNode {
    const node = this.#nodes.get(name);
    if (node) return node;
    const others = [...this.#nodes.keys()].join(', ');
    throw new NoSuchNode(
      `Cluster "${this.#cluster.name}" has no node "${name}" on this machine. ${others ? `There are: ${others}.` : 'It has none.'}`,
    );
  }

  #markStopped(name: string, stopped: boolean): Promise<void> {
    const { index } = this.#cluster.nodes[name] ?? { index: 0 };
    const nodes = { ...this.#cluster.nodes, [name]: { index, ...(stopped && { stopped }) } };
    return this.#record({ ...this.#cluster, nodes });
  }

  async #record(cluster: ClusterRecord): Promise<void> {
    await writeCluster(this.#context.paths, cluster);
    this.#cluster = cluster;
  }

  #repairLater(): void {
    this.#repair = this.#context.clock.timer(REPAIR_EVERY_MS, () => {
      const repaired = this.#inTurn(async () => {
        if (this.#phase !== 'running') return;
        const before = this.#running().map(({ running }) => running?.holder.mountNamespace);
        for (const node of this.#running()) await node.repair().catch((error) => this.#nodeFailed(node, error));
        const after = this.#running().map(({ running }) => running?.holder.mountNamespace);
        if (after.join() !== before.join() || this.#isTimeForRoutes()) await this.#connect();
      });
      void repaired
        .catch((error: unknown) => this.#context.log.error('the nodes could not be repaired', { error }))
        .then(() => {
          if (this.#phase === 'running') this.#repairLater();
        });
    });
  }

  #isTimeForRoutes(): boolean {
    this.#repairs = (this.#repairs + 1) % REPAIRS_BETWEEN_ROUTES;
    return this.#repairs === 0 && farNodes(this.#cluster).length > 0;
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(act);
    this.#turn = mine.catch(() => undefined); // whoever asked for it hears of it
    return mine;
  }

  #setPhase(phase: ClusterStatus['phase']): void {
    this.#phase = phase;
    this.#context.onChange();
  }
}

const simulatedStatus = (name: string): NodeStatus => ({
  name,
  state: 'running',
  addresses: [],
  podRanges: [],
  isSimulated: true,
});
