/** Deletes bootstrap tokens whose time is over. Off unless it is asked for. Source: pkg/controller/bootstrap, TokenCleaner. */
import { Secret } from '#api/core/v1/secret.ts';
import { again, defineController, settled } from '../define-controller.ts';
import { isBootstrapToken, leftMs } from './bootstrap-token.ts';

export const tokenCleaner = defineController({
  name: 'token-cleaner-controller',
  serviceAccount: 'token-cleaner',
  reconciles: Secret,
  hasRoles: true,
  writes: { delete: [Secret] },

  async reconcile(secret, { api, clock }) {
    if (!isBootstrapToken(secret) || secret.metadata.deletionTimestamp) return settled;
    const afterMs = leftMs(secret, clock.now());
    if (afterMs === undefined) return settled;
    if (afterMs > 0) return again({ afterMs });
    await api.delete(Secret, secret);
    return settled;
  },
});
