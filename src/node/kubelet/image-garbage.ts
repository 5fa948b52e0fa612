/**
 * Removes images that nobody uses: when the disk that holds them is nearly full, down to a lower mark, those that were not
 * used for the longest time first; and those that were not used for too long. Source: "Garbage collection of containers
 * and images"; kubelet's image manager.
 */
import { configuredMs, type KubeletConfiguration } from '#api/kubelet-config/kubelet-configuration.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { EventSink } from '#client/event-recorder.ts';
import type { Image } from '#node/runtime/image.ts';
import type { ContainerRuntime } from '#node/runtime/runtime.ts';
import { RuntimeError } from '#node/runtime/runtime-error.ts';

export interface ImageGarbageOptions {
  runtime: ContainerRuntime;
  clock: Clock;
  log: Log;
  events: EventSink;
  nodeName: string;
  signal: AbortSignal;
  configuration: Pick<
    KubeletConfiguration,
    'imageMinimumGCAge' | 'imageMaximumGCAge' | 'imageGCHighThresholdPercent' | 'imageGCLowThresholdPercent'
  >;
  /** Never removed, e.g. what sandboxes run. */
  keep: readonly string[];
  /** The disk that holds the images. */
  disk(): Promise<{ availableBytes: number; capacityBytes: number }>;
  /** Images have gone. */
  onChange(): void;
  /** These are all that there were at a time: what is remembered of others may be forgotten, unless they came since. */
  onCollected?(imageIds: ReadonlySet<string>, atMs: number): Promise<void>;
}

interface Known {
  image: Image;
  detectedAtMs: number;
  /** Since when it is known to be unused: when it was last seen in use. undefined: never used. */
  lastUsedMs: number | undefined;
  isUsed: boolean;
}

/** Upstream's ImageGCPeriod; and how often it looks what is in use, so that it knows for how long something was not. */
const COLLECT_EVERY_MS = 300_000;
const LOOK_EVERY_MS = 30_000;

export class ImageGarbage {
  readonly #options: ImageGarbageOptions;
  #known = new Map<string, Known>();
  #collectedAtMs: number;
  /** Wall time. */
  #lookedAtMs = 0;
  busy = 0;

  constructor(options: ImageGarbageOptions) {
    this.#options = options;
    this.#collectedAtMs = options.clock.monotonicMs();
  }

  start(): void {
    const { clock, signal } = this.#options;
    clock.timer(LOOK_EVERY_MS, () => {
      if (signal.aborted) return;
      void this.#tick().finally(() => this.start());
    });
  }

  async #tick(): Promise<void> {
    const { clock, log } = this.#options;
    this.busy += 1;
    try {
      await this.#look();
      if (clock.monotonicMs() - this.#collectedAtMs < COLLECT_EVERY_MS) return;
      this.#collectedAtMs = clock.monotonicMs();
      await this.collect();
    } catch (error) {
      if (!(error instanceof RuntimeError) && !(error instanceof Error && 'code' in error)) throw error;
      log.warn('cannot remove unused images', { error: error.message });
    } finally {
      this.busy -= 1;
    }
  }

  /** As the thresholds say. */
  async collect(): Promise<void> {
    await this.#collect();
    const looked = new Set(this.#known.keys());
    await this.#options.onCollected?.(looked, this.#lookedAtMs);
  }

  async #collect(): Promise<void> {
    const { configuration, disk, events, nodeName, log } = this.#options;
    await this.#look();
    await this.#removeOld();
    const { availableBytes, capacityBytes } = await disk();
    if (capacityBytes === 0) return;
    const usedPercent = 100 - Math.floor((availableBytes * 100) / capacityBytes);
    const { imageGCHighThresholdPercent: high, imageGCLowThresholdPercent: low } = configuration;
    if (high >= 100 || usedPercent < high) return;
    const wanted = Math.floor((capacityBytes * (100 - low)) / 100) - availableBytes;
    log.info('the disk of the images is filling up', { usedPercent, high, toFreeBytes: wanted });
    const freed = await this.#free(wanted);
    if (freed >= wanted) return;
    const text = `Failed to garbage collect required amount of images. Attempted to free ${wanted} bytes, but only found ${freed} bytes eligible to free.`;
    events.warning({ apiVersion: 'v1', kind: 'Node', name: nodeName, uid: nodeName }, 'FreeDiskSpaceFailed', text);
  }

  /** Everything that is unused and not quite new: the disk is needed. */
  async deleteUnused(): Promise<void> {
    await this.#look();
    await this.#free(Number.POSITIVE_INFINITY);
  }

  /** Notes what is there, and what of it is in use by a container, dead or alive. */
  async #look(): Promise<void> {
    const { runtime, clock, keep } = this.#options;
    this.#lookedAtMs = clock.now();
    const [images, containers] = await Promise.all([runtime.listImages(), runtime.listContainers()]);
    const now = clock.now();
    const used = new Set(containers.flatMap(({ image, imageRef }) => [image, imageRef]));
    const next = new Map<string, Known>();
    for (const image of images) {
      const before = this.#known.get(image.id);
      const names = [image.id, ...image.repoTags, ...image.repoDigests];
      const isUsed = image.pinned || names.some((name) => used.has(name) || keep.includes(name));
      const lastUsedMs = isUsed ? now : before?.lastUsedMs;
      next.set(image.id, { image, isUsed, lastUsedMs, detectedAtMs: before?.detectedAtMs ?? now });
    }
    this.#known = next;
  }

  async #removeOld(): Promise<void> {
    const { configuration, clock } = this.#options;
    const mostMs = configuredMs(configuration.imageMaximumGCAge);
    if (mostMs === 0) return;
    const now = clock.now();
    for (const known of this.#known.values())
      if (!known.isUsed && now - (known.lastUsedMs ?? known.detectedAtMs) > mostMs) await this.#remove(known);
  }

  /** @returns how many bytes were freed */
  async #free(wantedBytes: number): Promise<number> {
    const { configuration, clock } = this.#options;
    const leastMs = configuredMs(configuration.imageMinimumGCAge);
    const now = clock.now();
    const unused = [...this.#known.values()]
      .filter(({ isUsed, detectedAtMs }) => !isUsed && now - detectedAtMs >= leastMs)
      .sort((a, b) => (a.lastUsedMs ?? 0) - (b.lastUsedMs ?? 0) || a.detectedAtMs - b.detectedAtMs);
    let freed = 0;
    for (const known of unused) {
      if (freed >= wantedBytes) break;
      await this.#remove(known);
      freed += known.image.sizeBytes;
    }
    return freed;
  }

  async #remove({ image }: Known): Promise<void> {
    const { runtime, log, onChange } = this.#options;
    log.info('an unused image is removed', { image: image.repoTags[0] ?? image.id, bytes: image.sizeBytes });
    await runtime.removeImage(image.id);
    this.#known.delete(image.id);
    onChange();
  }
}
