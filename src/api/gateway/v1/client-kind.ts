/** A kind as its clients meet it: the API server serves it from its definition, whoever brought that. */
import { defineKind } from '#api/machinery/define-kind.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { GROUP } from './schema-parts.ts';

export const clientKind = <T extends KubeObject>(
  kind: T extends { kind: infer K extends string } ? K : never,
  plural: string,
  { version = 'v1', scope = 'Namespaced', ...rest }: ClientKindOptions = {},
): Kind<T> => ({
  ...defineKind<T>({
    group: GROUP,
    version,
    kind,
    plural,
    scope,
    storagePrefix: `${GROUP}/${plural}`,
    subresources: ['status'],
  }),
  ...rest,
});

interface ClientKindOptions {
  version?: string;
  scope?: 'Namespaced' | 'Cluster';
  /** Older bundles do not have it: the others are served without. */
  mayBeMissing?: true;
}
