/** A service that is asked about tokens or rights, from its kubeconfig file. */
import type { Clock } from '#base/clock.ts';
import { CurrentCredentials } from '#client/transport/credentials.ts';
import { endpointOf, readKubeconfig } from '#client/transport/kubeconfig.ts';
import type { WebhookEndpoint } from '#control-plane/apiserver/remote/review-webhook.ts';
import { FlagError } from './api-server-flags.ts';

/** Throws FlagError. */
export function webhookEndpointOf(path: string, { clock, what }: { clock: Clock; what: string }): WebhookEndpoint {
  try {
    const { server, certificateAuthority, serverName, insecure, credentials } = endpointOf(readKubeconfig(path));
    if (!URL.canParse(server) || new URL(server).protocol !== 'https:')
      throw new Error(`the server ${server} must be an https URL`);
    const current = new CurrentCredentials(credentials, clock);
    return {
      url: server,
      ca: certificateAuthority,
      ...current.certificate(),
      serverName,
      insecure,
      authorization: () => current.authorization(),
    };
  } catch (error) {
    throw new FlagError(`${what}: ${path} cannot be used: ${(error as Error).message}`);
  }
}
