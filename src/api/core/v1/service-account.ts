/** ServiceAccount: who a pod is towards the API. Source: API reference, core/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, defineKind, nameColumn } from '#api/machinery/define-kind.ts';

export type ServiceAccount = schema.ServiceAccount;

export const ServiceAccount = defineKind<schema.ServiceAccount>({
  group: '',
  version: 'v1',
  kind: 'ServiceAccount',
  plural: 'serviceaccounts',
  scope: 'Namespaced',
  shortNames: ['sa'],
  subresources: [
    {
      name: 'token',
      serves: { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' },
      verbs: ['create'],
    },
  ],
  columns: [nameColumn(), ageColumn()],
});
