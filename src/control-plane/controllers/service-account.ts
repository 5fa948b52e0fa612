/** Gives every namespace the ServiceAccount `default`, which its pods use unless they name another. */
import { Namespace } from '#api/core/v1/namespace.ts';
import { ServiceAccount } from '#api/core/v1/service-account.ts';
import { hasReason } from '#api/machinery/status.ts';
import { defineController, settled, watching } from './define-controller.ts';
import { isNamespaceGoing } from './pod-writes.ts';

const NAME = 'default';

export const serviceAccountController = defineController({
  name: 'serviceaccount-controller',
  serviceAccount: 'service-account-controller',
  reconciles: Namespace,
  watches: [
    watching(
      ServiceAccount,
      ({ metadata }) => (metadata.name === NAME && metadata.namespace ? [metadata.namespace] : []),
      () => false,
    ),
  ],
  writes: { create: [ServiceAccount] },
  when: (now, before) => now.status?.phase !== before.status?.phase,
  workers: 1,

  async reconcile({ metadata, status }, { cached, api }) {
    const isGoing = metadata.deletionTimestamp !== undefined || status?.phase === 'Terminating';
    if (isGoing || cached(ServiceAccount).get(`${metadata.name}/${NAME}`)) return settled;
    try {
      await api.create(ServiceAccount, { metadata: { name: NAME, namespace: metadata.name } });
    } catch (error) {
      // Somebody else was faster, or the namespace is going. A quota that forbids it may be raised.
      if (!hasReason(error, 'AlreadyExists', 'NotFound') && !isNamespaceGoing(error)) throw error;
    }
    return settled;
  },
});
