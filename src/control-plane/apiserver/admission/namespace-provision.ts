/** What happens to a write into a namespace that is not there: refused, or the namespace is made. Both are off unless asked for. */
import { Namespace } from '#api/core/v1/namespace.ts';
import { hasReason, notFound } from '#api/machinery/status.ts';
import type { Client } from '#client/client.ts';
import {
  type AdmissionPlugin,
  type AdmissionRequest,
  type AdmissionServices,
  defineAdmission,
} from './define-admission.ts';

const ANYTHING = [{ group: '*', plural: '*', subresource: '*' }];

async function isThere(
  { namespace, kind }: AdmissionRequest,
  { informers, live }: AdmissionServices,
): Promise<boolean> {
  if (!namespace || kind.scope === 'Cluster' || informers.for(Namespace).get(namespace)) return true;
  return (await live(Namespace, { name: namespace })) !== undefined;
}

export const namespaceExists = defineAdmission({
  name: 'NamespaceExists',
  on: { resources: ANYTHING, verbs: ['create', 'update', 'delete'] },
  reads: [Namespace],
  async validate(request, services) {
    if (!(await isThere(request, services))) throw notFound(Namespace, request.namespace);
  },
});

/** `client`: of the server itself. */
export const namespaceAutoProvision = (client: Client): AdmissionPlugin =>
  defineAdmission({
    name: 'NamespaceAutoProvision',
    on: { resources: ANYTHING, verbs: ['create'] },
    reads: [Namespace],
    async mutate(object, request, services) {
      if (request.dryRun || (await isThere(request, services))) return object;
      try {
        await client.create(Namespace, { metadata: { name: request.namespace }, spec: { finalizers: [] } });
      } catch (error) {
        if (!hasReason(error, 'AlreadyExists')) throw error;
      }
      return object;
    },
  });
