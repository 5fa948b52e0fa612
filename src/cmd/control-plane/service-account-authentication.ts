/** Whom the cluster's own tokens let in: those that are asked for, and those that stand in Secrets. */
import { Secret } from '#api/core/v1/secret.ts';
import { hasReason } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import type { Client } from '#client/client.ts';
import type { Loopback } from '#control-plane/apiserver/apiserver.ts';
import type { TokenAuthenticator } from '#control-plane/apiserver/authentication/authenticator.ts';
import { LegacyTokens } from '#control-plane/apiserver/authentication/legacy-tokens.ts';
import { ServiceAccountTokens } from '#control-plane/apiserver/authentication/service-account-tokens.ts';
import type { TokenIssuer } from '#control-plane/apiserver/authentication/token-issuer.ts';

export const serviceAccountAuthenticators = (
  { live, client }: Pick<Loopback, 'live' | 'client'>,
  services: { issuer: TokenIssuer; clock: Clock },
): TokenAuthenticator[] => [
  new ServiceAccountTokens({ live, ...services }),
  new LegacyTokens({ live, label: labelWith(client), ...services }),
];

const labelWith =
  (client: Client) =>
  async ({ metadata: { name, namespace = '', uid } }: Secret, labels: Record<string, string>): Promise<void> => {
    try {
      await client.patch(Secret, { name, namespace }, { type: 'merge', patch: { metadata: { uid, labels } } });
    } catch (error) {
      if (!hasReason(error, 'NotFound', 'Conflict', 'Forbidden')) throw error; // it is being changed or deleted
    }
  };
