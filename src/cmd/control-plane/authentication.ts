/** From the flags and files of the API server to who is believed to be whom. */
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '#base/clock.ts';
import { sleep } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import type { Loopback } from '#control-plane/apiserver/apiserver.ts';
import {
  type AuthenticationConfiguration,
  parseAuthenticationConfiguration,
  validateAuthenticationConfiguration,
} from '#control-plane/apiserver/authentication/authentication-configuration.ts';
import type { Authenticator, TokenAuthenticator } from '#control-plane/apiserver/authentication/authenticator.ts';
import {
  type AnonymousAccess,
  authenticatorChain,
  bearerTokenAuthenticator,
  forAudiences,
  tokenChain,
} from '#control-plane/apiserver/authentication/authenticator-chain.ts';
import { bootstrapTokens } from '#control-plane/apiserver/authentication/bootstrap-tokens.ts';
import {
  ClientCertificateAuthenticator,
  ClientCertificates,
  certificatesIn,
} from '#control-plane/apiserver/authentication/client-certificate.ts';
import { ALL_ALGORITHMS, JwtAuthenticator } from '#control-plane/apiserver/authentication/jwt/jwt-authenticator.ts';
import { JwtLatencies } from '#control-plane/apiserver/authentication/jwt/jwt-latencies.ts';
import {
  requestHeaderAuthenticator,
  STANDARD_HEADERS,
} from '#control-plane/apiserver/authentication/request-header.ts';
import { staticTokens } from '#control-plane/apiserver/authentication/static-tokens.ts';
import { parseTokenFile } from '#control-plane/apiserver/authentication/token-file.ts';
import type { TokenIssuer } from '#control-plane/apiserver/authentication/token-issuer.ts';
import { WebhookTokens } from '#control-plane/apiserver/authentication/webhook-tokens.ts';
import { refuseInvalid } from '#control-plane/apiserver/remote/configuration-file.ts';
import { ReviewWebhook } from '#control-plane/apiserver/remote/review-webhook.ts';
import { frontProxyIdentity } from '../pki/cluster-identities.ts';
import type { Pki } from '../pki/pki.ts';
import { standInsFor } from '../pki/stand-ins.ts';
import { type ApiServerFlags, FlagError } from './api-server-flags.ts';
import type { Expressions } from './expressions.ts';
import { oidcConfigurationOf } from './oidc-flags.ts';
import { serviceAccountAuthenticators } from './service-account-authentication.ts';
import { watchConfiguration } from './watched-file.ts';
import { webhookEndpointOf } from './webhook-endpoint.ts';

export interface AuthenticationServices {
  flags: ApiServerFlags;
  pki: Pki;
  tokenIssuer: TokenIssuer;
  expressions: Expressions;
  clock: Clock;
  random: Random;
  log: Log;
  /** How often files are looked at. */
  reloadMs?: number;
}

export interface Authentication {
  tokens(loopback: Pick<Loopback, 'live' | 'client'>): TokenAuthenticator;
  authenticator(tokens: TokenAuthenticator): Authenticator;
  /** PEM: whose certificates clients may show, to be told to them; stand-ins, who are the authenticator's to judge. */
  clientAuthorities: string;
  registerMetrics: JwtLatencies['registerMetrics'];
  close(): void;
}

/** Throws FlagError and ConfigurationError. */
export function openAuthentication(services: AuthenticationServices): Authentication {
  const { pki, tokenIssuer, clock } = services;
  const issuers = new JwtIssuers(services);
  const ofFile = tokenFileOf(services);
  const ofWebhook = tokenWebhookOf(services);
  const frontProxies = frontProxiesOf(services);
  return {
    clientAuthorities: standInsFor([pki.caCertificate, ...frontProxies.authorities].join('\n')),
    tokens: (loopback) => {
      const own = (kind: TokenAuthenticator) => forAudiences(tokenIssuer.audiences, kind);
      return tokenChain([
        ...serviceAccountAuthenticators(loopback, { issuer: tokenIssuer, clock }),
        ...(ofFile ? [own(ofFile)] : []),
        own(bootstrapTokens({ live: loopback.live, clock })),
        own(issuers),
        ...(ofWebhook ? [ofWebhook] : []),
      ]);
    },
    authenticator: (tokens) =>
      authenticatorChain(
        [
          ...frontProxies.authenticators,
          new ClientCertificateAuthenticator({ authorities: [pki.caCertificate], clock }),
          bearerTokenAuthenticator(tokens),
        ],
        () => issuers.anonymous,
      ),
    registerMetrics: (registry) => issuers.latencies.registerMetrics(registry),
    close: () => issuers.close(),
  };
}

function tokenFileOf({ flags, log }: AuthenticationServices): TokenAuthenticator | undefined {
  if (!flags.has('token-auth-file')) return undefined;
  try {
    const { users, warnings } = parseTokenFile(flags.file('token-auth-file'));
    for (const warning of warnings) log.warn(warning, { file: flags.text('token-auth-file') });
    return staticTokens(users);
  } catch (error) {
    if (error instanceof FlagError) throw error;
    throw new FlagError(`--token-auth-file: ${flags.text('token-auth-file')}: ${(error as Error).message}`);
  }
}

const CACHE_MS = 120_000;

function tokenWebhookOf({ flags, tokenIssuer, clock, random, log }: AuthenticationServices) {
  const flag = 'authentication-token-webhook-config-file';
  if (!flags.has(flag)) return undefined;
  const version = flags.text('authentication-token-webhook-version', 'v1beta1');
  if (version !== 'v1' && version !== 'v1beta1')
    throw new FlagError(
      `unsupported authentication webhook version ${JSON.stringify(version)}, supported versions are "v1", "v1beta1"`,
    );
  const endpoint = webhookEndpointOf(flags.text(flag), { clock, what: `--${flag}` });
  return new WebhookTokens({
    webhook: new ReviewWebhook({ endpoint, clock, random }),
    version,
    audiences: tokenIssuer.audiences,
    cacheMs: flags.milliseconds('authentication-token-webhook-cache-ttl', CACHE_MS),
    clock,
    log,
  });
}

/** The cluster's own aggregation layer always; further ones by flag. */
function frontProxiesOf({ flags, pki, clock }: AuthenticationServices) {
  const further = flags.has('requestheader-client-ca-file') ? [flags.file('requestheader-client-ca-file')] : [];
  const allowedNames = flags.list('requestheader-allowed-names');
  const own = certificatesIn(pki.caCertificate);
  const overlaps = further.flatMap(certificatesIn).some(({ raw }) => own.some((one) => one.raw.equals(raw)));
  if (overlaps && allowedNames.length === 0)
    throw new FlagError(
      '--requestheader-client-ca-file and --client-ca-file contain overlapping certificates; --requestheader-allowed-names must be specified to ensure regular client certificates cannot set authenticating proxy headers for arbitrary users',
    );
  const headers = {
    usernameHeaders: flags.list('requestheader-username-headers', STANDARD_HEADERS.usernameHeaders),
    uidHeaders: flags.list('requestheader-uid-headers', STANDARD_HEADERS.uidHeaders),
    groupHeaders: flags.list('requestheader-group-headers', STANDARD_HEADERS.groupHeaders),
    extraHeaderPrefixes: flags.list('requestheader-extra-headers-prefix', STANDARD_HEADERS.extraHeaderPrefixes),
  };
  const ofCluster = requestHeaderAuthenticator({
    ...STANDARD_HEADERS,
    certificates: new ClientCertificates({ authorities: [pki.frontProxyCaCertificate], clock }),
    allowedNames: [frontProxyIdentity.user],
  });
  const others = further.map((ca) =>
    requestHeaderAuthenticator({
      ...headers,
      certificates: new ClientCertificates({ authorities: [ca], clock }),
      allowedNames,
    }),
  );
  return { authenticators: [ofCluster, ...others], authorities: [pki.frontProxyCaCertificate, ...further] };
}

/** How long a new configuration waits for its issuers to answer before it is given up. */
const READY_MS = 60_000;
const LOOK_MS = 250;

/** The issuers of the configuration as it is now. */
class JwtIssuers implements TokenAuthenticator {
  readonly #services: AuthenticationServices;
  readonly #stopWatching: () => void = () => undefined;
  readonly #closed = new AbortController();
  #current: readonly JwtAuthenticator[];
  readonly anonymous: AnonymousAccess;
  readonly latencies = new JwtLatencies();

  constructor(services: AuthenticationServices) {
    this.#services = services;
    const { flags, log, reloadMs } = services;
    const flag = 'authentication-config';
    const text = flags.has(flag) ? flags.file(flag) : undefined;
    const configuration = text === undefined ? this.#fromFlags() : this.#fromFile(text);
    this.anonymous = this.#anonymousIn(configuration);
    this.#current = this.#open(configuration);
    if (text === undefined) return;
    this.#stopWatching = watchConfiguration({
      path: flags.text(flag),
      what: `--${flag}`,
      text,
      reload: (next) => this.#reload(next),
      log,
      ...(reloadMs && { intervalMs: reloadMs }),
    });
  }

  async authenticateToken(token: string) {
    const { clock } = this.#services;
    const problems: string[] = [];
    for (const issuer of this.#current) {
      const beganMs = clock.monotonicMs();
      const judged = (result: 'success' | 'failure') =>
        this.latencies.observe(issuer.issuer, result, clock.monotonicMs() - beganMs);
      try {
        const known = await issuer.authenticateToken(token);
        if (!known) continue;
        judged('success');
        return known;
      } catch (error) {
        judged('failure');
        problems.push((error as Error).message);
      }
    }
    if (problems.length > 0) throw new Error(problems.length === 1 ? problems[0] : `[${problems.join(', ')}]`);
    return undefined;
  }

  close(): void {
    this.#stopWatching();
    this.#closed.abort();
    for (const issuer of this.#current) issuer.close();
  }

  #checks() {
    const { tokenIssuer, expressions } = this.#services;
    return { ownIssuers: [tokenIssuer.issuer], examine: expressions.examine };
  }

  #fromFile(text: string): AuthenticationConfiguration {
    const { flags } = this.#services;
    const oidc = ['oidc-issuer-url', 'oidc-client-id'].find((name) => flags.has(name));
    if (oidc)
      throw new FlagError(`--authentication-config and --oidc-* flags are mutually exclusive: take --${oidc} away`);
    try {
      return parseAuthenticationConfiguration(text, this.#checks());
    } catch (error) {
      const path = JSON.stringify(flags.text('authentication-config'));
      throw new FlagError(`invalid authentication configuration in file ${path}: ${(error as Error).message}`);
    }
  }

  #fromFlags(): AuthenticationConfiguration {
    const configuration = oidcConfigurationOf(this.#services.flags, (path) => readFileSync(path, 'utf8'));
    refuseInvalid(validateAuthenticationConfiguration(configuration, this.#checks()));
    return configuration;
  }

  #anonymousIn({ anonymous }: AuthenticationConfiguration): AnonymousAccess {
    const { flags, log } = this.#services;
    if (anonymous && flags.has('anonymous-auth'))
      throw new FlagError(
        'anonymous: Forbidden: --anonymous-auth flag cannot be set when anonymous field is configured in authentication configuration file',
      );
    if (anonymous) return { enabled: anonymous.enabled, paths: (anonymous.conditions ?? []).map(({ path }) => path) };
    const enabled = flags.boolean('anonymous-auth', true);
    // Else anybody could do anything.
    const isOpen = flags.list('authorization-mode', []).includes('AlwaysAllow');
    if (enabled && isOpen)
      log.warn('the nameless are refused: --authorization-mode AlwaysAllow would let them do anything');
    return { enabled: enabled && !isOpen };
  }

  #open({ jwt }: AuthenticationConfiguration): JwtAuthenticator[] {
    const { flags, expressions, clock, log } = this.#services;
    const algorithms = flags.has('authentication-config') ? ALL_ALGORITHMS : flags.list('oidc-signing-algs', ['RS256']);
    const compile = expressions.claims;
    return jwt.map((configuration) => new JwtAuthenticator({ configuration, algorithms, compile, clock, log }));
  }

  /** The old issuers serve until the new ones answer. */
  async #reload(text: string): Promise<void> {
    const configuration = this.#fromFile(text);
    if (!isDeepStrictEqual(this.#anonymousIn(configuration), this.anonymous))
      throw new Error('anonymous: Forbidden: changed from initial configuration file');
    const next = this.#open(configuration);
    try {
      await this.#untilReady(next);
    } catch (error) {
      for (const issuer of next) issuer.close();
      throw error;
    }
    const before = this.#current;
    this.#current = next;
    for (const issuer of before) issuer.close();
  }

  async #untilReady(issuers: readonly JwtAuthenticator[]): Promise<void> {
    const { clock } = this.#services;
    const untilMs = clock.monotonicMs() + READY_MS;
    while (!issuers.every((one) => one.isReady)) {
      if (clock.monotonicMs() > untilMs) throw new Error('an issuer of the new configuration does not answer');
      await sleep(clock, LOOK_MS, this.#closed.signal);
    }
  }
}
