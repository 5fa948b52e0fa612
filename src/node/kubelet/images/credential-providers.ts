/** Passwords of registries from programs, kept for as long as they say. Source: "Configure a kubelet image credential provider". */
import { createHash } from 'node:crypto';
import { ServiceAccount } from '#api/core/v1/service-account.ts';
import type { Pod } from '#api/generated/schema.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Client } from '#client/client.ts';
import { isFor, repositoryOf } from '../registry-credentials.ts';
import type { ServiceAccountTokens } from '../volumes/service-account-tokens.ts';
import type { CredentialProvider } from '#api/kubelet-config/credential-provider-config.ts';
import type { PullSource, SourcedAuth } from './pull-source.ts';
import { type PluginAnswer, type PluginRequest, runCredentialPlugin } from './run-credential-plugin.ts';

export interface CredentialProvidersOptions {
  providers: readonly CredentialProvider[];
  /** The folder of the programs. */
  folder: string;
  client: Client;
  tokens: Pick<ServiceAccountTokens, 'tokenFor'>;
  clock: Clock;
  log: Log;
}

interface Held {
  auth: PluginAnswer['auth'];
  untilMs: number;
}

/** What the program is told of the pod's account, and what its answer is kept under besides the image. */
interface Account {
  request: Pick<PluginRequest, 'serviceAccountToken' | 'serviceAccountAnnotations'>;
  cacheKey: string;
  source: PullSource;
}

interface Given {
  auth: PluginAnswer['auth'];
  source: PullSource;
}

/** What a program gives without being told of an account, it gives to each pod of the node. */
const NOBODYS: Account = { request: {}, cacheKey: '', source: 'everybody' };

const PURGE_EVERY_MS = 900_000;

export class CredentialProviders {
  readonly #options: CredentialProvidersOptions;
  readonly #held = new Map<string, Held>();
  readonly #asked = new Map<string, Promise<PluginAnswer['auth']>>();
  #purgedMs: number;

  constructor(options: CredentialProvidersOptions) {
    this.#options = options;
    this.#purgedMs = options.clock.monotonicMs();
  }

  /** In the order of the configuration. A program that fails is told to the log, and gives none. */
  async credentialsFor(image: string, pod: Pod): Promise<SourcedAuth[]> {
    const repository = repositoryOf(image);
    const found: SourcedAuth[] = [];
    for (const provider of this.#options.providers) {
      if (!provider.matchImages.some((pattern) => isFor(pattern, repository))) continue;
      const given = await this.#ask(provider, repository, pod).catch((error: Error) => {
        this.#options.log.error('a credential provider gives nothing', {
          provider: provider.name,
          error: error.message,
        });
        return undefined;
      });
      if (!given) continue;
      const fitting = [...given.auth].filter(([pattern]) => isFor(pattern, repository));
      // The longest says most of the image.
      fitting.sort(([a], [b]) => b.length - a.length);
      found.push(
        ...fitting.map(([, { username, password }]) => ({ auth: { username, password }, source: given.source })),
      );
    }
    return found;
  }

  async #ask(provider: CredentialProvider, repository: string, pod: Pod): Promise<Given | undefined> {
    const account = await this.#accountOf(provider, pod);
    if (!account) return undefined;
    const { source } = account;
    const [registry = ''] = repository.split('/');
    const key = (...parts: string[]) => JSON.stringify([provider.name, account.cacheKey, ...parts]);
    const keys = { Image: key('Image', repository), Registry: key('Registry', registry), Global: key('Global') };
    this.#purge();
    for (const each of [keys.Image, keys.Registry, keys.Global]) {
      const held = this.#held.get(each);
      if (held && held.untilMs > this.#options.clock.monotonicMs()) return { auth: held.auth, source };
    }
    // Pods that start together wait for one answer.
    const under = this.#asked.get(keys.Image) ?? this.#run(provider, { image: repository, ...account.request }, keys);
    this.#asked.set(keys.Image, under);
    try {
      return { auth: await under, source };
    } finally {
      this.#asked.delete(keys.Image);
    }
  }

  async #run(
    provider: CredentialProvider,
    request: PluginRequest,
    keys: Record<PluginAnswer['cacheKeyType'], string>,
  ): Promise<PluginAnswer['auth']> {
    const { clock } = this.#options;
    const {
      auth,
      cacheKeyType,
      cacheMs = provider.defaultCacheMs,
    } = await runCredentialPlugin(provider, request, this.#options);
    if (cacheMs > 0) this.#held.set(keys[cacheKeyType], { auth, untilMs: clock.monotonicMs() + cacheMs });
    return auth;
  }

  /** undefined: the program is not to be asked for this pod. */
  async #accountOf({ tokens }: CredentialProvider, pod: Pod): Promise<Account | undefined> {
    if (!tokens) return NOBODYS;
    const { namespace = '' } = pod.metadata;
    const name = pod.spec.serviceAccountName ?? '';
    if (!name) return tokens.requireServiceAccount ? undefined : NOBODYS;
    const { metadata } = await this.#options.client.get(ServiceAccount, { namespace, name });
    const given = metadata.annotations ?? {};
    if (tokens.requiredAnnotations.some((each) => given[each] === undefined)) return undefined;
    const wanted = [...tokens.requiredAnnotations, ...tokens.optionalAnnotations].filter(
      (each) => given[each] !== undefined,
    );
    const serviceAccountAnnotations = Object.fromEntries(wanted.sort().map((each) => [each, given[each] ?? '']));
    const serviceAccountToken = await this.#options.tokens.tokenFor(pod, {
      audience: tokens.audience,
      expirationSeconds: 3600,
      path: '',
    });
    const hashed = tokens.cacheType === 'Token' ? createHash('sha256').update(serviceAccountToken).digest('hex') : '';
    return {
      request: { serviceAccountToken, serviceAccountAnnotations },
      cacheKey: JSON.stringify([namespace, name, metadata.uid, serviceAccountAnnotations, hashed]),
      source: { serviceAccount: { uid: metadata.uid, namespace, name } },
    };
  }

  #purge(): void {
    const now = this.#options.clock.monotonicMs();
    if (now - this.#purgedMs < PURGE_EVERY_MS) return;
    this.#purgedMs = now;
    for (const [key, { untilMs }] of this.#held) if (untilMs <= now) this.#held.delete(key);
  }
}
