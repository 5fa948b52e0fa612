/** The webhooks of all configurations of one kind, in the order in which they are called. */
import type { MutatingWebhook, ObjectMeta, ValidatingWebhook } from '#api/generated/schema.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { type Selector, selectorFrom } from '#api/machinery/label-selector.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { Informer, Informers } from '#client/informer.ts';

export interface Hook {
  /** Of the configuration, the name, and which of that name. */
  id: string;
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

  /** Kept until a configuration changes: without any it costs one comparison. */
  of(informers: Informers): readonly Hook[] {
    if (!this.#informer) {
      this.#informer = informers.for(this.#kind);
      this.#informer.onChange(() => {
        this.#hooks = undefined;
      });
    }
    this.#hooks ??= hooksOf(this.#informer.list());
    return this.#hooks;
  }
}

/** By the names of the configurations; inside one as it lists them. */
export const hooksOf = (configurations: readonly WebhookConfiguration[]): readonly Hook[] =>
  [...configurations]
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
    .flatMap(({ metadata, webhooks = [] }) =>
      webhooks.map((webhook, index) => ({
        id: `${metadata.name}/${webhook.name}/${index}`,
        webhook,
        namespaceSelector: selectorFrom(webhook.namespaceSelector),
        objectSelector: selectorFrom(webhook.objectSelector),
      })),
    );
