/** Sees to it that a container's image is on the node, as its pull policy says. Texts and reasons are upstream's. */
import type { Container, Pod, Secret, Volume } from '#api/generated/schema.ts';
import type { Clock } from '#base/clock.ts';
import type { Image } from '#node/runtime/image.ts';
import type { ContainerRuntime } from '#node/runtime/runtime.ts';
import { RuntimeError } from '#node/runtime/runtime-error.ts';
import { BackOff } from './back-off.ts';
import { durationText } from './go-text.ts';
import type { ImageAccess } from './images/image-access.ts';
import { ImagePulls } from './images/image-pulls.ts';
import { invalidReference } from './images/image-reference.ts';
import type { PullRecords } from './images/pull-records.ts';
import type { SourcedAuth } from './images/pull-source.ts';
import type { Limiter } from './limiter.ts';
import type { PodEvents } from './pod-events.ts';
import { credentialsFor } from './registry-credentials.ts';

/** `reason` and `message` are the container's waiting state. */
export class ImageFailed extends Error {
  readonly reason:
    | 'ErrImagePull'
    | 'ImagePullBackOff'
    | 'ErrImageNeverPull'
    | 'InvalidImageName'
    | 'ImageInspectError'
    | 'RegistryUnavailable'
    | 'SignatureValidationFailed';
  /** When trying again makes sense. */
  readonly againAfterMs: number | undefined;

  constructor(reason: ImageFailed['reason'], message: string, againAfterMs?: number) {
    super(message);
    this.reason = reason;
    this.againAfterMs = againAfterMs;
  }
}

/** The image, if it was here when it was asked for some time ago. One that was not may have come since: by a container beside it. */
export type SeenImage = Promise<Image | undefined> | undefined;

export interface ImagesOptions {
  runtime: ContainerRuntime;
  clock: Clock;
  events: PodEvents;
  /** How many pulls at once. */
  pulls: Limiter;
  /** Besides the pods' own secrets; absent: none. */
  providers?: { credentialsFor(image: string, pod: Pod): Promise<SourcedAuth[]> };
  /** Who has pulled what, and who may have what is here. */
  records: PullRecords;
  access: Pick<ImageAccess, 'isOpen'>;
}

const BACK_OFF = { initialMs: 10_000, maxMs: 300_000 };
/** Upstream looks at a failed pod again after ten seconds, and so says that it backs off when it must wait longer. */
const SAY_BACK_OFF_AFTER_MS = 10_000;

export class Images {
  readonly #options: ImagesOptions;
  readonly #backOff: BackOff;
  readonly #lastError = new Map<string, string>();
  readonly #pulls: ImagePulls;

  constructor(options: ImagesOptions) {
    this.#options = options;
    this.#backOff = new BackOff(options.clock, BACK_OFF);
    this.#pulls = new ImagePulls(options);
  }

  /** Of those who wait for images, how many wait for a pull. */
  get waiting(): number {
    return this.#pulls.waiting;
  }

  /** @throws ImageFailed, or the signal's reason: a registry may never answer */
  async ensure(
    pod: Pod,
    container: Container,
    { pullSecrets, signal, seen }: { pullSecrets: readonly Secret[]; signal?: AbortSignal; seen?: SeenImage },
  ): Promise<Image> {
    const { events } = this.#options;
    const said = container.image ?? '';
    const text = JSON.stringify(said);
    const why = invalidReference(said);
    if (why) {
      const message = `Failed to apply default image tag ${text}: couldn't parse image name ${text}: ${why}`;
      events.warning(pod, container, 'InspectFailed', message);
      throw new ImageFailed('InvalidImageName', message);
    }
    const name = withTag(said);
    let found: Promise<SourcedAuth[]> | undefined;
    const credentials = () => {
      found ??= this.#credentialsOf(pod, name, pullSecrets);
      return found;
    };
    const present =
      container.imagePullPolicy === 'Always' ? undefined : await this.#inspect(pod, container, { name, seen });
    if (present && (await this.#isOpen(said, present, credentials))) {
      events.normal(
        pod,
        container,
        'Pulled',
        `Container image ${text} already present on machine and can be accessed by the pod`,
      );
      return present;
    }
    // That one is here, but not for this pod, is nobody's business.
    if (container.imagePullPolicy === 'Never') {
      const message = `Container image ${text} is not present with pull policy of Never`;
      events.warning(pod, container, 'ErrImageNeverPull', message);
      throw new ImageFailed('ErrImageNeverPull', message);
    }
    return this.#pull(pod, container, { name, credentials, signal });
  }

  /** Asks already what `ensure` will need to know of a container that begins later; undefined: nothing. Nothing is told of it. */
  look({ image = '', imagePullPolicy }: Container): SeenImage {
    if (imagePullPolicy === 'Always' || invalidReference(image)) return undefined;
    const asked = this.#options.runtime.imageStatus(withTag(image));
    asked.catch(() => undefined); // `ensure` tells of it
    return asked;
  }

  async #isOpen(name: string, image: Image, credentials: () => Promise<SourcedAuth[]>): Promise<boolean> {
    await this.#options.records.load();
    return this.#options.access.isOpen(name, image, credentials);
  }

  /** In the order in which they are to be tried. */
  async #credentialsOf(pod: Pod, name: string, pullSecrets: readonly Secret[]): Promise<SourcedAuth[]> {
    const provided = (await this.#options.providers?.credentialsFor(name, pod)) ?? [];
    return [...credentialsFor(name, pullSecrets), ...provided];
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

  async #inspect(
    pod: Pod,
    container: Container,
    { name, seen }: { name: string; seen: SeenImage },
  ): Promise<Image | undefined> {
    try {
      return (await seen) ?? (await this.#options.runtime.imageStatus(name));
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
      // Upstream prints the reference that it did not get.
      const message = `Failed to inspect image "": rpc error: code = ${error.code} desc = ${error.message}`;
      this.#options.events.warning(pod, container, 'InspectFailed', message);
      throw new ImageFailed('ImageInspectError', message);
    }
  }

  async #pull(
    pod: Pod,
    container: Container,
    {
      name,
      credentials,
      signal,
    }: { name: string; credentials: () => Promise<SourcedAuth[]>; signal: AbortSignal | undefined },
  ): Promise<Image> {
    const { events, clock } = this.#options;
    const text = JSON.stringify(container.image);
    const key = `${pod.metadata.uid}_${container.image}`;
    const leftMs = this.#backOff.leftMs(key);
    if (leftMs > 0) {
      const message = `Back-off pulling image ${text}`;
      events.normal(pod, container, 'BackOff', message);
      const last = this.#lastError.get(key);
      throw new ImageFailed('ImagePullBackOff', last ? `${message}: ${last}` : message, leftMs);
    }
    events.normal(pod, container, 'Pulling', `Pulling image ${text}`);
    const startedAt = clock.monotonicMs();
    try {
      const request = { name, said: container.image ?? '', credentials: await credentials() };
      const { image, tookMs } = await this.#pulls.pull(request, signal);
      const [took, all] = [tookMs, clock.monotonicMs() - startedAt].map((ms) => durationText(Math.trunc(ms)));
      events.normal(
        pod,
        container,
        'Pulled',
        `Successfully pulled image ${text} in ${took} (${all} including waiting). Image size: ${image.sizeBytes} bytes.`,
      );
      this.#lastError.delete(key);
      return image;
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
      const said = textOf(error);
      events.warning(pod, container, 'Failed', `Failed to pull image ${text}: ${said}`);
      this.#backOff.next(key);
      const { reason, message } = failureOf(container.image ?? '', said);
      this.#lastError.set(key, `${reason}: ${message}`);
      throw new ImageFailed(reason, message, Math.min(this.#backOff.leftMs(key), SAY_BACK_OFF_AFTER_MS));
    }
  }
}

/** A code that says nothing is left out. */
const textOf = ({ code, message }: RuntimeError): string =>
  code === 'Unknown' ? message : `rpc error: code = ${code} desc = ${message}`;

/** Runtimes say by the first word what it was. Source: cri-api, pkg/errors. */
function failureOf(image: string, said: string): { reason: ImageFailed['reason']; message: string } {
  for (const [reason, why] of KNOWN_FAILURES) {
    if (!said.startsWith(reason)) continue;
    return { reason, message: `image pull failed for ${image} because ${why}${said.slice(reason.length)}` };
  }
  return { reason: 'ErrImagePull', message: said };
}

const KNOWN_FAILURES = [
  ['RegistryUnavailable', 'the registry is unavailable'],
  ['SignatureValidationFailed', 'the signature validation failed'],
] as const;

/** No tag and no digest means `latest`. */
export const withTag = (image: string): string =>
  image.includes('@') || /:[^/]*$/.test(image) ? image : `${image}:latest`;
