/** Which deprecated APIs somebody has asked for: the client is warned, the audit log and `/metrics` tell others. */
import { Gauge, type Registry } from 'prom-client';
import type { Kind } from '#api/machinery/kind.ts';
import type { IncomingRequest } from './pipeline.ts';
import type { ResourceRequestInfo } from './request-info.ts';

type Use = Pick<ResourceRequestInfo, 'group' | 'version' | 'resource' | 'subresource'>;

export class DeprecatedUse implements Iterable<Use> {
  readonly #uses = new Map<string, Use>();

  tell({ deprecation }: Kind, info: ResourceRequestInfo, { warn, annotate }: IncomingRequest): void {
    if (!deprecation) return;
    const { group, version, resource, subresource } = info;
    warn?.(deprecation);
    annotate?.('k8s.io/deprecated', 'true');
    this.#uses.set(`${group}/${version}/${resource}/${subresource}`, { group, version, resource, subresource });
  }

  [Symbol.iterator](): Iterator<Use> {
    return this.#uses.values();
  }
}

export function registerDeprecatedUse(registry: Registry, uses: DeprecatedUse): void {
  new Gauge({
    name: 'apiserver_requested_deprecated_apis',
    help: 'Deprecated APIs that have been asked for.',
    labelNames: ['group', 'version', 'resource', 'subresource', 'removed_release'],
    registers: [registry],
    collect() {
      for (const use of uses) this.set({ ...use, removed_release: '' }, 1);
    },
  });
}
