/** An object as the API server sees it when somebody has sent it: shaped, defaulted, with identity. */
import { catalog } from '#api/catalog.ts';
import { facts } from '#api/generated/facts.ts';
import { apiVersionOf, type Kind } from '#api/machinery/kind.ts';
import { normalise } from '#api/machinery/normalise.ts';
import type { KubeObject } from '#api/machinery/object.ts';

/** `content`: without version and kind; it is named `a` unless it says otherwise. */
export function submitted<T extends KubeObject>(
  apiVersion: string,
  name: string,
  content: object,
): { kind: Kind; object: T } {
  const kind = catalog.find((one) => apiVersionOf(one) === apiVersion && one.kind === name);
  if (!kind?.facts) throw new Error(`no kind ${apiVersion} ${name}`);
  const { metadata, ...rest } = content as { metadata?: object };
  const input = {
    apiVersion,
    kind: name,
    metadata: {
      name: 'a',
      ...(kind.scope === 'Namespaced' && { namespace: 'default' }),
      uid: 'u',
      resourceVersion: '1',
      creationTimestamp: '2026-01-01T00:00:00Z',
      ...metadata,
    },
    ...rest,
  };
  const shaped = normalise(facts, kind.facts, input);
  if ('problem' in shaped) throw new Error(shaped.problem);
  return { kind, object: kind.defaults(shaped.object as unknown as KubeObject) as T };
}
