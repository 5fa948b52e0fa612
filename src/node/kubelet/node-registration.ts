/**
 * Keeps the node's object and its Lease: registers, says every ten seconds how it is (writing only what changed, or every
 * five minutes), renews the Lease four times in its duration. Source: "Nodes", heartbeats.
 */
import { Lease } from '#api/coordination/v1/lease.ts';
import { Node } from '#api/core/v1/node.ts';
import type { Taint } from '#api/generated/schema.ts';
import { configuredMs, type KubeletConfiguration } from '#api/kubelet-config/kubelet-configuration.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { hasReason, StatusError } from '#api/machinery/status.ts';
import { microTimestampOf } from '#api/machinery/timestamp.ts';
import { type Clock, sleep } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import type { Client } from '#client/client.ts';
import type { EventSink } from '#client/event-recorder.ts';
import { Unreachable } from '#client/transport.ts';
import { diskFactsOf, type MachineFacts } from '#node/runtime/machine-facts.ts';
import type { ContainerRuntime } from '#node/runtime/runtime.ts';
import { RuntimeError } from '#node/runtime/runtime-error.ts';
import type { PressureCondition } from './eviction/thresholds.ts';
import { type NodeInputs, nodeLabels, nodeStatusOf, withoutTimes } from './node-status.ts';

export interface NodeRegistrationOptions {
  client: Client;
  runtime: ContainerRuntime;
  clock: Clock;
  random: Random;
  log: Log;
  events: EventSink;
  signal: AbortSignal;
  nodeName: string;
  addresses: readonly string[];
  machine: MachineFacts;
  /** Whose disk counts. */
  root: string;
  maxPods: number;
  port: number;
  kubeletVersion: string;
  labels: Readonly<Record<string, string>>;
  taints: readonly Taint[];
  podCIDRs: readonly string[];
  /** How long a Lease counts without a renewal. */
  leaseDurationSeconds: number;
  configuration: KubeletConfiguration;
  pressures(): ReadonlySet<PressureCondition>;
  /** By their unique names. */
  volumesInUse?(): readonly string[];
  isShuttingDown(): boolean;
  /** What plugins bring. */
  devices(): NodeInputs['devices'];
}

/** Of a Lease's duration, as upstream's kubelet: three renewals may be lost. */
const RENEW_FRACTION = 0.25;
const LEASE_NAMESPACE = 'kube-node-lease';

interface News {
  isThere: boolean;
  wake(): void;
}

export class NodeRegistration {
  readonly #options: NodeRegistrationOptions;
  #node: Node | undefined;
  #lease: Lease | undefined;
  #reportedAtMs = 0;
  /** Something is to be said at once. `isThere`: it came while the last report was still being written. */
  readonly #news: News = { isThere: false, wake: (): void => undefined };

  constructor(options: NodeRegistrationOptions) {
    this.#options = options;
  }

  /** Resolves when the node is registered and has said once how it is; goes on until the signal. */
  async start(): Promise<void> {
    await this.#insist(() => this.#register());
    await this.#insist(() => this.#report());
    await this.#insist(() => this.#renew());
    const reportEveryMs = configuredMs(this.#options.configuration.nodeStatusUpdateFrequency);
    void this.#every(reportEveryMs, () => this.#report(), this.#news);
    const renewEveryMs = this.#options.leaseDurationSeconds * 1000 * RENEW_FRACTION;
    void this.#every(renewEveryMs, () => this.#renew());
  }

  get node(): Node | undefined {
    return this.#node;
  }

  /** Looks at once, e.g. because an image has come. */
  reportNow(): void {
    this.#news.isThere = true;
    this.#news.wake();
  }

  async #register(): Promise<void> {
    const { client, nodeName, labels, taints, podCIDRs, log } = this.#options;
    const wanted = { ...nodeLabels(this.#options), ...labels };
    const draft = {
      metadata: { name: nodeName, labels: wanted },
      spec: {
        ...(podCIDRs[0] && { podCIDR: podCIDRs[0], podCIDRs: [...podCIDRs] }),
        ...(taints.length > 0 && { taints: [...taints] }),
      },
    };
    try {
      this.#node = await client.create(Node, draft);
      log.info('node registered', { node: nodeName });
    } catch (error) {
      if (!hasReason(error, 'AlreadyExists')) throw error;
      const there = await client.get(Node, { name: nodeName });
      const missing = Object.entries(wanted).filter(([key, value]) => there.metadata.labels?.[key] !== value);
      const hasRange = there.spec?.podCIDR !== undefined || podCIDRs.length === 0;
      if (missing.length === 0 && hasRange) this.#node = there;
      else {
        const patch = { metadata: { labels: Object.fromEntries(missing) }, ...(!hasRange && { spec: draft.spec }) };
        this.#node = await client.patch(Node, { name: nodeName }, { type: 'merge', patch });
      }
    }
  }

  async #report(): Promise<void> {
    const { client, nodeName, clock, events } = this.#options;
    const inputs = await this.#look();
    const before = await client.get(Node, { name: nodeName });
    const status = { ...nodeStatusOf(inputs, before.status), ...this.#volumesInUse(before) };
    const atLeastMs = configuredMs(this.#options.configuration.nodeStatusReportFrequency);
    const isDue = clock.monotonicMs() - this.#reportedAtMs >= atLeastMs || this.#reportedAtMs === 0;
    this.#node = before;
    if (!isDue && isEqual(withoutTimes(status), withoutTimes(pick(before.status, status)))) return;
    this.#node = await client.patch(
      Node,
      { name: nodeName, subresource: 'status' },
      { type: 'merge', patch: { status } },
    );
    this.#reportedAtMs = clock.monotonicMs();
    const reference = { apiVersion: 'v1', kind: 'Node', name: nodeName, uid: nodeName };
    for (const reason of changesOf(before, this.#node))
      events.normal(reference, reason, `Node ${nodeName} status is now: ${reason}`);
  }

  /** `null` takes it away; nothing where nothing was. */
  #volumesInUse({ status }: Node): { volumesInUse?: string[] } {
    const names = [...(this.#options.volumesInUse?.() ?? [])];
    if (names.length === 0 && !status?.volumesInUse) return {};
    return { volumesInUse: names.length > 0 ? names : (null as unknown as string[]) };
  }

  async #look(): Promise<NodeInputs> {
    const { runtime, clock, root } = this.#options;
    const base = {
      ...this.#options,
      disk: diskFactsOf(root),
      nowMs: clock.now(),
      pressures: this.#options.pressures(),
      isShuttingDown: this.#options.isShuttingDown(),
      devices: this.#options.devices(),
    };
    try {
      const [version, runtimeStatus, images] = await Promise.all([
        runtime.version(),
        runtime.status(),
        runtime.listImages(),
      ]);
      return { ...base, version, runtimeStatus, images, runtimeError: undefined };
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
      return { ...base, version: undefined, runtimeStatus: undefined, images: [], runtimeError: error.message };
    }
  }

  async #renew(): Promise<void> {
    const { client, nodeName, clock } = this.#options;
    const renewTime = microTimestampOf(clock.now());
    const spec = { holderIdentity: nodeName, leaseDurationSeconds: this.#options.leaseDurationSeconds, renewTime };
    if (this.#lease) {
      try {
        this.#lease = await client.update(Lease, { ...this.#lease, spec: { ...this.#lease.spec, renewTime } });
        return;
      } catch (error) {
        if (!hasReason(error, 'NotFound', 'Conflict')) throw error;
        this.#lease = undefined;
      }
    }
    const at = { name: nodeName, namespace: LEASE_NAMESPACE };
    try {
      const there = await client.get(Lease, at);
      this.#lease = await client.update(Lease, { ...there, spec });
    } catch (error) {
      if (!hasReason(error, 'NotFound')) throw error;
      this.#lease = await client.create(Lease, { metadata: { ...at, ...this.#ownership() }, spec });
    }
  }

  /** The Lease goes with its node. */
  #ownership(): object {
    const uid = this.#node?.metadata.uid;
    const owner = { apiVersion: 'v1', kind: 'Node', name: this.#options.nodeName, uid };
    return uid ? { ownerReferences: [owner] } : {};
  }

  async #every(everyMs: number, act: () => Promise<void>, news?: News): Promise<void> {
    const { clock, signal, random } = this.#options;
    while (!signal.aborted) {
      // A little apart from each other, so that many nodes do not speak at the same instant.
      const waitMs = everyMs * (0.98 + 0.04 * random.next());
      if (!news?.isThere)
        await Promise.race([
          sleep(clock, waitMs, signal).catch(() => undefined), // aborted: the loop ends
          ...(news ? [new Promise<void>((resolve) => Object.assign(news, { wake: resolve }))] : []),
        ]);
      if (signal.aborted) return;
      if (news) news.isThere = false;
      await this.#attempt(act);
    }
  }

  /** @returns whether it went well */
  async #attempt(act: () => Promise<void>): Promise<boolean> {
    const { log, signal } = this.#options;
    try {
      await act();
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      if (hasReason(error, 'NotFound')) {
        log.warn('the node has gone from the API: it registers again', {});
        await this.#attempt(() => this.#register());
        return false;
      }
      if (!(error instanceof StatusError) && !(error instanceof Unreachable)) throw error;
      log.warn('cannot say how the node is', { error: error.message });
      return false;
    }
  }

  async #insist(act: () => Promise<void>): Promise<void> {
    const { clock, signal } = this.#options;
    for (let waitMs = 200; !(await this.#attempt(act)); waitMs = Math.min(waitMs * 2, 5_000)) {
      signal.throwIfAborted();
      await sleep(clock, waitMs, signal);
    }
  }
}

/** The parts that the kubelet says. */
const pick = (status: Node['status'], like: object): NonNullable<Node['status']> =>
  Object.fromEntries(Object.entries(status ?? {}).filter(([key]) => key in like)) as NonNullable<Node['status']>;

/** What an Event says of a condition: when it is True, and when it is not. */
const REASONS: Readonly<Record<string, readonly [string, string]>> = {
  MemoryPressure: ['NodeHasInsufficientMemory', 'NodeHasSufficientMemory'],
  DiskPressure: ['NodeHasDiskPressure', 'NodeHasNoDiskPressure'],
  PIDPressure: ['NodeHasInsufficientPID', 'NodeHasSufficientPID'],
  Ready: ['NodeReady', 'NodeNotReady'],
};

function changesOf(before: Node, now: Node): string[] {
  const statusOf = (node: Node, wanted: string) => node.status?.conditions?.find(({ type }) => type === wanted)?.status;
  return Object.entries(REASONS).flatMap(([type, [whenTrue, whenNot]]) => {
    const status = statusOf(now, type);
    return status === undefined || status === statusOf(before, type) ? [] : [status === 'True' ? whenTrue : whenNot];
  });
}
