/** The webhooks of all configurations of one kind, in the order in which they are called. */
import { PolicyExpressions, RESULTS } from '#api/admissionregistration/v1/policy-expressions.ts';
import type { MatchCondition, MutatingWebhook, ObjectMeta, ValidatingWebhook } from '#api/generated/schema.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { type Selector, selectorFrom } from '#api/machinery/label-selector.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { CompiledCondition } from '../expressions/match-conditions.ts';
import { Followed } from '../followed.ts';

export interface Hook {
  /** Of the configuration, the name, and which of that name. */
  id: string;
  /** The name of the configuration. */
  configuration: string;
  webhook: ValidatingWebhook & Partial<Pick<MutatingWebhook, 'reinvocationPolicy'>>;
  namespaceSelector: Selector;
  objectSelector: Selector;
  /** Compiled when a request first gets as far. */
  conditions(): readonly CompiledCondition[];
}

export interface WebhookConfiguration extends KubeObject {
  metadata: ObjectMeta;
  webhooks?: Hook['webhook'][];
}

/** The webhooks of all configurations of a kind: without any it costs one comparison. */
export const followedHooks = <T extends WebhookConfiguration>(kind: Kind<T>): Followed<readonly Hook[]> =>
  new Followed([kind as unknown as Kind], (informers) => hooksOf(informers.for(kind).list()));

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
        conditions: once(() => compiled(webhook.matchConditions ?? [])),
      })),
    );

function compiled(conditions: readonly MatchCondition[]): readonly CompiledCondition[] {
  const expressions = new PolicyExpressions({ composes: false, hasParams: false });
  return conditions.map(({ name, expression }) => ({
    name,
    compiled: expressions.compile(expression, RESULTS.condition),
  }));
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
