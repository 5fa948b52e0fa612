/** The webhooks of all configurations of one kind, in the order in which they are called. */
import type { MutatingWebhook, ObjectMeta, ValidatingWebhook } from '#api/generated/schema.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { type Selector, selectorFrom } from '#api/machinery/label-selector.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { Clock } from '#base/clock.ts';
import type { Informer, Informers } from '#client/informer.ts';
import { type AdmissionRequest, refused } from '../define-admission.ts';

/** How long a request waits for an API server that has just started. */
const SYNC_MS = 10_000;

export interface Hook {
  /** Of the configuration, the name, and which of that name. */
  id: string;
  /** The name of the configuration. */
  configuration: string;
  webhook: ValidatingWebhook & Partial<Pick<MutatingWebhook, 'reinvocationPolicy'>>;
  namespaceSelector: Selector;
  objectSelector: Selector;
}

export interface WebhookConfiguration extends KubeObject {
  metadata: ObjectMeta;
  webhooks?: Hook['webhook'][];
}

export class HookSource<T extends WebhookConfiguration> {
  readonly #kind: Kind<T>;
  #informer: Informer<T> | undefined;
  #hooks: readonly Hook[] | undefined;

  constructor(kind: Kind<T>) {
    this.#kind = kind;
  }

  /**
   * Kept until a configuration changes: without any it costs one comparison. undefined while the configurations are not
   * all known yet; then `whenSynced` waits for them, because a request must not slip past those that are stored.
   */
  of(informers: Informers): readonly Hook[] | undefined {
    if (this.#hooks) return this.#hooks;
    const informer = this.#following(informers);
    if (informer.hasSynced) this.#hooks = hooksOf(informer.list());
    return this.#hooks;
  }

  /** Throws Forbidden when it takes too long. */
  async whenSynced(
    request: AdmissionRequest,
    { informers, clock }: { informers: Informers; clock: Clock },
  ): Promise<readonly Hook[]> {
    const informer = this.#following(informers);
    const isSynced = await new Promise<boolean>((resolve) => {
      const settle = (outcome: boolean) => {
        timer.cancel();
        stop();
        resolve(outcome);
      };
      const timer = clock.timer(SYNC_MS, () => settle(false));
      const stop = informer.onProgress(() => informer.hasSynced && settle(true));
      if (informer.hasSynced) settle(true);
    });
    if (!isSynced) throw refused(request, 'not yet ready to handle request');
    return this.of(informers) ?? [];
  }

  #following(informers: Informers): Informer<T> {
    if (this.#informer) return this.#informer;
    this.#informer = informers.for(this.#kind);
    this.#informer.onChange(() => {
      this.#hooks = undefined;
    });
    return this.#informer;
  }
}

/** By the names of the configurations; inside one as it lists them. */
export const hooksOf = (configurations: readonly WebhookConfiguration[]): readonly Hook[] =>
  [...configurations]
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
    .flatMap(({ metadata, webhooks = [] }) =>
      webhooks.map((webhook, index) => ({
        id: `${metadata.name}/${webhook.name}/${index}`,
        configuration: metadata.name,
        webhook,
        namespaceSelector: selectorFrom(webhook.namespaceSelector),
        objectSelector: selectorFrom(webhook.objectSelector),
      })),
    );
