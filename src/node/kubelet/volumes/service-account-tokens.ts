/** Tokens of service accounts, bound to their pod, asked for again after 80 % of their life or a day. */
import { ServiceAccount } from '#api/core/v1/service-account.ts';
import type { Pod, ServiceAccountTokenProjection } from '#api/generated/schema.ts';
import type { Clock } from '#base/clock.ts';
import type { Client } from '#client/client.ts';

interface Held {
  token: string;
  expiresAt: number;
  refreshAt: number;
  podUid: string;
}

/** The part of a TokenRequest's answer that counts here. */
interface Answer {
  status?: { token?: string; expirationTimestamp?: string };
}

const DAY_MS = 24 * 3600 * 1000;

export class ServiceAccountTokens {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #held = new Map<string, Held>();

  constructor(client: Client, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /** An old token is kept while no new one can be had, as long as it is valid. */
  async tokenFor(pod: Pod, projection: ServiceAccountTokenProjection): Promise<string> {
    return (await this.freshFor(pod, projection)).token;
  }

  /** With the end of its life, in ms since the epoch. */
  async freshFor(
    pod: Pod,
    { audience, expirationSeconds = 3600 }: ServiceAccountTokenProjection,
  ): Promise<{ token: string; expiresAt: number }> {
    const id = `${pod.metadata.uid}/${audience ?? ''}/${expirationSeconds}`;
    const held = this.#held.get(id);
    if (held && this.#clock.now() < held.refreshAt) return held;
    try {
      const fresh = await this.#request(pod, audience, expirationSeconds);
      this.#held.set(id, fresh);
      return fresh;
    } catch (error) {
      if (held && this.#clock.now() < held.expiresAt) return held;
      throw error;
    }
  }

  forget(podUid: string): void {
    for (const [id, held] of this.#held) if (held.podUid === podUid) this.#held.delete(id);
  }

  async #request(pod: Pod, audience: string | undefined, expirationSeconds: number): Promise<Held> {
    const { name, uid, namespace = '' } = pod.metadata;
    const account = pod.spec.serviceAccountName || 'default';
    const body = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      metadata: {},
      spec: {
        audiences: audience ? [audience] : [],
        expirationSeconds,
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid },
      },
    };
    const now = this.#clock.now();
    const at = { namespace, name: account, subresource: 'token' };
    const { status } = (await this.#client.createSubresource(ServiceAccount, at, body)) as Answer;
    if (!status?.token || !status.expirationTimestamp)
      throw new Error('the token request was answered without a token');
    const expiresAt = Date.parse(status.expirationTimestamp);
    const refreshAt = now + Math.min((expiresAt - now) * 0.8, DAY_MS);
    return { token: status.token, expiresAt, refreshAt, podUid: uid };
  }
}
