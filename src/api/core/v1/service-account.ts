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
  prepareForCreate: (account) => withNamesOfSecretsAlone(account),
  prepareForUpdate: (account) => withNamesOfSecretsAlone(account),
  columns: [nameColumn(), ageColumn()],
});

/** All else of a reference is dropped: a Secret is in the namespace of its account. */
const withNamesOfSecretsAlone = (account: schema.ServiceAccount): schema.ServiceAccount =>
  account.secrets
    ? { ...account, secrets: account.secrets.map(({ name }) => (name === undefined ? {} : { name })) }
    : account;
