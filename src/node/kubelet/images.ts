/** Sees to it that a container's image is on the node, as its pull policy says. Texts and reasons are upstream's. */
import type { Container, Pod, Secret, Volume } from '#api/generated/schema.ts';
import type { Clock } from '#base/clock.ts';
import type { AuthConfig, ContainerRuntime, Image } from '#node/runtime/runtime.ts';
import { RuntimeError } from '#node/runtime/runtime.ts';
import { BackOff } from './back-off.ts';
import { durationText } from './go-text.ts';
import type { Limiter } from './limiter.ts';
import type { PodEvents } from './pod-events.ts';
import { credentialsFor } from './registry-credentials.ts';
import { SharedWork } from './shared-work.ts';

/** `reason` and `message` are the container's waiting state. */
export class ImageFailed extends Error {
  readonly reason: 'ErrImagePull' | 'ImagePullBackOff' | 'ErrImageNeverPull' | 'InvalidImageName' | 'ImageInspectError';
  /** When trying again makes sense. */
  readonly againAfterMs: number | undefined;

  constructor(reason: ImageFailed['reason'], message: string, againAfterMs?: number) {
    super(message);
    this.reason = reason;
    this.againAfterMs = againAfterMs;
  }
}

export interface ImagesOptions {
  runtime: ContainerRuntime;
  clock: Clock;
  events: PodEvents;
  /** How many pulls at once. */
  pulls: Limiter;
  /** Besides the pods' own secrets; absent: none. */
  providers?: { credentialsFor(image: string, pod: Pod): Promise<AuthConfig[]> };
}

const BACK_OFF = { initialMs: 10_000, maxMs: 300_000 };
/** Upstream looks at a failed pod again after ten seconds, and so says that it backs off when it must wait longer. */
const SAY_BACK_OFF_AFTER_MS = 10_000;
// A reference as the registries define it, loosely: the runtime is stricter.
const REFERENCE = /^[A-Za-z0-9][\w.\-:/]*(@sha256:[0-9a-f]{64})?$/;

export class Images {
  readonly #options: ImagesOptions;
  readonly #backOff: BackOff;
  readonly #lastError = new Map<string, string>();
  /** Pulls under way, by image and secrets: containers that need the same one wait for the same pull. */
  readonly #pulling = new SharedWork<string>();

  constructor(options: ImagesOptions) {
    this.#options = options;
    this.#backOff = new BackOff(options.clock, BACK_OFF);
  }

  /** Of those who wait for images, how many wait for a pull. */
  get waiting(): number {
    return this.#pulling.waiting;
  }

  /** @throws ImageFailed, or the signal's reason: a registry may never answer */
  async ensure(
    pod: Pod,
    container: Container,
    { pullSecrets, signal }: { pullSecrets: readonly Secret[]; signal?: AbortSignal },
  ): Promise<Image> {
    const { events } = this.#options;
    const said = container.image ?? '';
    const text = JSON.stringify(said);
    if (!REFERENCE.test(said)) {
      const message = `Failed to apply default image tag ${text}: couldn't parse image name ${text}: invalid reference format`;
      events.warning(pod, container, 'InspectFailed', message);
      throw new ImageFailed('InvalidImageName', message);
    }
    const name = withTag(said);
    const present = await this.#inspect(pod, container, name);
    if (present && container.imagePullPolicy !== 'Always') {
      events.normal(
        pod,
        container,
        'Pulled',
        `Container image ${text} already present on machine and can be accessed by the pod`,
      );
      return present;
    }
    if (container.imagePullPolicy === 'Never') {
      const message = `Container image ${text} is not present with pull policy of Never`;
      events.warning(pod, container, 'ErrImageNeverPull', message);
      throw new ImageFailed('ErrImageNeverPull', message);
    }
    return this.#pull(pod, container, { name, pullSecrets, signal });
  }

  /** For a volume that is an image; as a container's, with the pod's own secrets. @throws as `ensure` */
  async ensureFor(
    pod: Pod,
    { name, image }: Volume,
    {
      secretOf,
      signal,
    }: { secretOf: (namespace: string, name: string) => Promise<Secret | undefined>; signal: AbortSignal | undefined },
  ): Promise<Image> {
    const { reference = '', pullPolicy } = image ?? {};
    const policy = pullPolicy || (/(^[^:@]*|:latest|\/[^:@]*)$/.test(reference) ? 'Always' : 'IfNotPresent');
    const secrets: Secret[] = [];
    for (const ref of pod.spec.imagePullSecrets ?? []) {
      const secret = await secretOf(pod.metadata.namespace ?? '', ref.name ?? '');
      if (secret) secrets.push(secret);
    }
    const container = { name, image: reference, imagePullPolicy: policy } as Container;
    return this.ensure(pod, container, { pullSecrets: secrets, ...(signal && { signal }) });
  }

  forget(podUid: string): void {
    this.#backOff.forget(`${podUid}_`);
    for (const key of this.#lastError.keys()) if (key.startsWith(`${podUid}_`)) this.#lastError.delete(key);
  }

  async #inspect(pod: Pod, container: Container, name: string): Promise<Image | undefined> {
    try {
      return await this.#options.runtime.imageStatus(name);
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
      const message = `Failed to inspect image ${JSON.stringify(container.image)}: ${error.message}`;
      this.#options.events.warning(pod, container, 'InspectFailed', message);
      throw new ImageFailed('ImageInspectError', message);
    }
  }

  async #pull(
    pod: Pod,
    container: Container,
    { name, pullSecrets, signal }: { name: string; pullSecrets: readonly Secret[]; signal: AbortSignal | undefined },
  ): Promise<Image> {
    const { events, clock } = this.#options;
    const text = JSON.stringify(container.image);
    const key = `${pod.metadata.uid}_${container.image}`;
    const leftMs = this.#backOff.leftMs(key);
    if (leftMs > 0) {
      const message = `Back-off pulling image ${text}`;
      events.normal(pod, container, 'BackOff', message);
      const last = this.#lastError.get(key);
      throw new ImageFailed('ImagePullBackOff', last ? `${message}: ErrImagePull: ${last}` : message, leftMs);
    }
    events.normal(pod, container, 'Pulling', `Pulling image ${text}`);
    const startedAt = clock.now();
    try {
      const image = await this.#pullOnce({ name, pod, pullSecrets }, signal);
      const took = durationText(Math.round(clock.now() - startedAt));
      events.normal(
        pod,
        container,
        'Pulled',
        `Successfully pulled image ${text} in ${took} (${took} including waiting). Image size: ${image.sizeBytes} bytes.`,
      );
      this.#lastError.delete(key);
      return image;
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
      events.warning(pod, container, 'Failed', `Failed to pull image ${text}: ${error.message}`);
      this.#backOff.next(key);
      this.#lastError.set(key, error.message);
      throw new ImageFailed('ErrImagePull', error.message, Math.min(this.#backOff.leftMs(key), SAY_BACK_OFF_AFTER_MS));
    }
  }

  async #pullOnce(
    { name, pod, pullSecrets }: { name: string; pod: Pod; pullSecrets: readonly Secret[] },
    signal: AbortSignal | undefined,
  ): Promise<Image> {
    const { runtime, providers } = this.#options;
    const provided = (await providers?.credentialsFor(name, pod)) ?? [];
    const credentials = [...credentialsFor(name, pullSecrets), ...provided];
    const id = JSON.stringify([name, credentials]);
    const pull = (wanted: AbortSignal) => this.#withCredentials(name, credentials, wanted);
    const reference = await this.#pulling.run(id, pull, signal);
    const image = (await runtime.imageStatus(reference)) ?? (await runtime.imageStatus(name));
    if (!image) throw new RuntimeError('NotFound', `image ${JSON.stringify(name)} is gone right after it was pulled`);
    return image;
  }

  /** Each credential that fits, then none. The last refusal is the one that is told. */
  async #withCredentials(name: string, credentials: readonly AuthConfig[], signal: AbortSignal): Promise<string> {
    let refusal: unknown;
    for (const auth of credentials.length > 0 ? credentials : [undefined]) {
      try {
        return await this.#options.pulls.run(() => this.#options.runtime.pullImage(name, auth, signal));
      } catch (error) {
        if (!(error instanceof RuntimeError)) throw error;
        refusal = error;
      }
    }
    throw refusal;
  }
}

/** No tag and no digest means `latest`. */
export const withTag = (image: string): string =>
  image.includes('@') || /:[^/]*$/.test(image) ? image : `${image}:latest`;
