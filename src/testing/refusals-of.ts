/** What the API server says of an object that somebody wants to create. */
import { catalog } from '#api/catalog.ts';
import { facts } from '#api/generated/facts.ts';
import { apiVersionOf } from '#api/machinery/kind.ts';
import { normalise } from '#api/machinery/normalise.ts';
import type { KubeObject } from '#api/machinery/object.ts';

/** `field: message`, everything at once. `content`: without version and kind; it is named `a` unless it says otherwise. */
export function refusalsOf(apiVersion: string, name: string, content: object): string[] {
  const kind = catalog.find((one) => apiVersionOf(one) === apiVersion && one.kind === name);
  if (!kind?.facts) throw new Error(`no kind ${apiVersion} ${name}`);
  const namespace = kind.scope === 'Namespaced' ? { namespace: 'default' } : {};
  const { metadata, ...rest } = content as { metadata?: object };
  const given = {
    apiVersion,
    kind: name,
    metadata: { name: 'a', ...namespace, uid: '00000000-0000-0000-0000-000000000001', ...metadata },
    ...rest,
  };
  const shaped = normalise(facts, kind.facts, given);
  if ('problem' in shaped) throw new Error(shaped.problem);
  const object = kind.prepareForCreate(kind.defaults(shaped.object as unknown as KubeObject));
  return kind.validate(object).map(({ field, message }) => `${field}: ${message}`);
}
