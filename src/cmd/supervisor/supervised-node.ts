/** One node under supervision: its namespaces and containerd, and in them its two processes. */
import { join } from 'node:path';
import type { NodeStatus, ProcessStatus } from '#cli/control-protocol.ts';
import type { BlobStore } from '#node/images/blob-store.ts';
import { packImage } from '#node/images/image.ts';
import { PAUSE_IMAGE, pauseImage, pauseProgram } from '#node/images/pause-image.ts';
import { findContainerd } from '#node/machine/containerd.ts';
import { LeftoverReaper } from '#node/machine/leftover-reaper.ts';
import { ensureNode, isRunning, type RunningNode, removeNode, stopNode } from '#node/machine/machine-node.ts';
import { importImage, listImages } from '#node/machine/node-images.ts';
import type { NodeLayout } from '#node/machine/node-layout.ts';
import { entered } from '#node/machine/node-namespaces.ts';
import { nodeConfigOf, writeNodeConfig } from '../node-config.ts';
import { kubeletProgram } from '../engine-options.ts';
import { KeptProcess } from './kept-process.ts';
import type { SupervisorContext } from './supervisor-context.ts';

const PROCESS_GRACE_MS = 5_000;

export class SupervisedNode {
  readonly layout: NodeLayout;
  readonly #context: SupervisorContext;
  readonly #blobs: BlobStore;
  readonly #processes: KeptProcess[];
  #node: RunningNode | undefined;
  #reaper: LeftoverReaper | undefined;
  #state: NodeStatus['state'] = 'stopped';
  #message: string | undefined;

  constructor(layout: NodeLayout, context: SupervisorContext, blobs: BlobStore) {
    this.layout = layout;
    this.#context = context;
    this.#blobs = blobs;
    this.#processes = ['kubelet', 'net'].map((role) => this.#keep(role));
  }

  get status(): NodeStatus {
    const { name, addresses, podRanges } = this.layout;
    const madeAtMs = this.#node?.holder.madeAtMs;
    const status = { name, addresses, podRanges, state: this.#state };
    return { ...status, ...(madeAtMs && { madeAtMs }), ...(this.#message && { message: this.#message }) };
  }

  get processes(): ProcessStatus[] {
    return this.#processes.map(({ status }) => status);
  }

  get running(): RunningNode | undefined {
    return this.#node;
  }

  /** From whatever there is to a node with both processes. A failure is kept in the status, and thrown. */
  async start(): Promise<void> {
    this.#setState('starting');
    try {
      await this.#ensure();
      await writeNodeConfig(this.layout, nodeConfigOf(this.layout, PAUSE_IMAGE, this.#context.settings));
      await this.#ensurePauseImage();
      await Promise.all(this.#processes.map((process) => process.start()));
      this.#setState('running');
    } catch (error) {
      this.#setState('failed', (error as Error).message);
      throw error;
    }
  }

  /** Makes again what somebody ended: holder, containerd. Containers and their networks live on; what is nobody's does not. */
  async repair(): Promise<void> {
    if (this.#state !== 'running' || !this.#node) return;
    if (isRunning(this.#node)) return void this.#reaper?.lookWhenDue();
    this.#context.log.warn('a node lost a process of its own; making it again', { node: this.layout.name });
    const before = this.#node.holder.mountNamespace;
    await this.#ensure();
    if (this.#node.holder.mountNamespace === before) return;
    // All of it had ended, and with it the namespaces that its two processes stood in.
    await this.#ensurePauseImage();
    await Promise.all(this.#processes.map((process) => process.stop(PROCESS_GRACE_MS)));
    await Promise.all(this.#processes.map((process) => process.start()));
  }

  async stop(graceMs: number): Promise<void> {
    await this.#end(graceMs, stopNode);
  }

  async remove(graceMs: number): Promise<void> {
    await this.#end(graceMs, removeNode);
  }

  async #end(graceMs: number, end: typeof stopNode): Promise<void> {
    const { facts, clock } = this.#context;
    await Promise.all(this.#processes.map((process) => process.stop(PROCESS_GRACE_MS)));
    await this.#reaper?.settled();
    await end({ layout: this.layout, facts, clock, graceMs });
    this.#node = undefined;
    this.#reaper = undefined;
    this.#setState('stopped');
  }

  async #ensure(): Promise<void> {
    const { facts, clock, settings } = this.#context;
    const options = { layout: this.layout, facts, clock, pauseImage: PAUSE_IMAGE, holderProgram: pauseProgram() };
    const [before, beforeMs] = [await findContainerd(this.layout), clock.now()];
    const node = await ensureNode({ ...options, cni: settings.cni });
    const isAdopted = before?.pid === node.containerd.pid;
    this.#node = node;
    this.#reaper = this.#reaperOf(node, isAdopted ? undefined : beforeMs);
  }

  #reaperOf({ holder }: RunningNode, startedMs: number | undefined): LeftoverReaper {
    const { facts, clock, log } = this.#context;
    return new LeftoverReaper({
      places: this.layout,
      mountNamespace: holder.mountNamespace,
      witness: holder.record.pid,
      enter: (argv) => entered(holder, argv),
      runc: facts.programs.runc ?? 'runc',
      clock,
      log: log.child({ node: this.layout.name }),
      startedMs,
    });
  }

  async #ensurePauseImage(): Promise<void> {
    const image = await pauseImage(this.#blobs, this.#context.facts.programs.busybox);
    const present = await listImages(this.layout);
    if (present.some(({ name, digest }) => name === image.name && digest === image.digest)) return;
    await importImage(this.layout, packImage(image));
  }

  #keep(role: string): KeptProcess {
    const { paths, clock, log, program, onChange } = this.#context;
    const { name, logs, config } = this.layout;
    return new KeptProcess({
      name: `${name}/${role}`,
      argv: [...(role === 'kubelet' ? kubeletProgram(program) : program), role, '--config', config],
      enter: (argv) => {
        if (!this.#node) throw new Error(`node ${name} does not run`);
        return entered(this.#node.holder, argv);
      },
      keepsSockets: role === 'net',
      logFile: join(logs, `${role}.log`),
      paths,
      clock,
      log,
      onChange,
    });
  }

  #setState(state: NodeStatus['state'], message?: string): void {
    this.#state = state;
    this.#message = message;
    this.#context.onChange();
  }
}
