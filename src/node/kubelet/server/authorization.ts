/** May they? Each path of the kubelet is a subresource of its node. Source: "Kubelet authentication/authorization". */
import { SubjectAccessReview } from '#api/authorization/v1/subject-access-review.ts';
import type { Clock } from '#base/clock.ts';
import type { Client } from '#client/client.ts';
import type { UserInfo } from '#client/transport.ts';
import { ExpiringCache } from './expiring-cache.ts';

export interface AuthorizationOptions {
  client: Client;
  clock: Clock;
  nodeName: string;
}

/** Upstream's authorization.webhook.cacheAuthorizedTTL and -UnauthorizedTTL. */
const REMEMBER_MS = { allowed: 300_000, denied: 30_000 };
const REMEMBERED = 1000;
const VERBS: Record<string, string> = {
  POST: 'create',
  GET: 'get',
  HEAD: 'get',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

/** Finer grants first; `proxy` grants everything. */
export function subresourcesOf(path: string): string[] {
  const first = path.split('/')[1] ?? '';
  const is = (...names: string[]) => names.includes(first);
  if (is('stats')) return ['stats'];
  if (is('metrics')) return ['metrics'];
  if (is('logs')) return ['log'];
  if (is('checkpoint')) return ['checkpoint'];
  if (is('pods', 'runningpods')) return ['pods', 'proxy'];
  if (is('healthz')) return ['healthz', 'proxy'];
  if (is('configz')) return ['configz', 'proxy'];
  return ['proxy'];
}

export class Authorization {
  readonly #options: AuthorizationOptions;
  readonly #answers: ExpiringCache<boolean>;

  constructor(options: AuthorizationOptions) {
    this.#options = options;
    this.#answers = new ExpiringCache(options.clock, REMEMBERED);
  }

  /** Throws what the API server's client throws: who cannot be asked about gets nothing. */
  async isAllowed(user: UserInfo, method: string, path: string): Promise<boolean> {
    const verb = VERBS[method] ?? method.toLowerCase();
    for (const subresource of subresourcesOf(path)) {
      const key = JSON.stringify([user.name, user.uid, user.groups, user.extra, verb, subresource]);
      const answer = async () => {
        const value = await this.#review(user, verb, subresource);
        return { value, forMs: value ? REMEMBER_MS.allowed : REMEMBER_MS.denied };
      };
      if (await this.#answers.getOrMake(key, answer)) return true;
    }
    return false;
  }

  async #review(user: UserInfo, verb: string, subresource: string): Promise<boolean> {
    const { client, nodeName } = this.#options;
    const { status } = await client.create(SubjectAccessReview, {
      metadata: {},
      spec: {
        user: user.name,
        groups: [...user.groups],
        ...(user.uid && { uid: user.uid }),
        ...(user.extra && {
          extra: Object.fromEntries(Object.entries(user.extra).map(([key, values]) => [key, [...values]])),
        }),
        resourceAttributes: { group: '', version: 'v1', resource: 'nodes', subresource, name: nodeName, verb },
      },
    });
    return status?.allowed === true;
  }
}
