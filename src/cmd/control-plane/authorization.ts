/** From the flags and files of the API server to who is asked what users may do. */
import { statSync } from 'node:fs';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import { AbacAuthorizer, parsePolicies } from '#control-plane/apiserver/authorization/abac.ts';
import {
  AUTHORIZER_TYPES,
  type AuthorizationConfiguration,
  parseAuthorizationConfiguration,
} from '#control-plane/apiserver/authorization/authorization-configuration.ts';
import { chosenAuthorizers } from '#control-plane/apiserver/authorization/chosen-authorizers.ts';
import type { ChosenAuthorizer } from '#control-plane/apiserver/authorization/cluster-authorizer.ts';
import { type ApiServerFlags, FlagError } from './api-server-flags.ts';
import type { Expressions } from './expressions.ts';
import { watchConfiguration } from './watched-file.ts';
import { webhookEndpointOf } from './webhook-endpoint.ts';

export interface AuthorizationServices {
  flags: ApiServerFlags;
  expressions: Expressions;
  clock: Clock;
  random: Random;
  log: Log;
  /** How often files are looked at. */
  reloadMs?: number;
}

export interface Authorization {
  authorizers(): readonly ChosenAuthorizer[];
  close(): void;
}

const CONFIG = 'authorization-config';
const LEGACY_FLAGS = [
  'authorization-mode',
  'authorization-webhook-config-file',
  'authorization-webhook-version',
  'authorization-webhook-cache-authorized-ttl',
  'authorization-webhook-cache-unauthorized-ttl',
];

/** Throws FlagError. */
export function openAuthorization(services: AuthorizationServices): Authorization {
  const { flags, log, reloadMs } = services;
  const abac = abacOf(flags);
  if (!flags.has(CONFIG)) {
    const authorizers = authorizersOf(configurationOf(flags), services, abac);
    return { authorizers: () => authorizers, close: () => undefined };
  }
  if (LEGACY_FLAGS.some((flag) => flags.has(flag)))
    throw new FlagError(
      `--${CONFIG} can not be specified when --authorization-mode or --authorization-webhook-* flags are defined`,
    );
  const text = flags.file(CONFIG);
  let current = authorizersOf(configurationIn(text, services), services, abac);
  const close = watchConfiguration({
    path: flags.text(CONFIG),
    what: `--${CONFIG}`,
    text,
    reload(next) {
      current = authorizersOf(configurationIn(next, services), services, abac);
    },
    log,
    ...(reloadMs && { intervalMs: reloadMs }),
  });
  return { authorizers: () => current, close };
}

function configurationIn(text: string, { flags, expressions }: AuthorizationServices): AuthorizationConfiguration {
  try {
    return parseAuthorizationConfiguration(text, {
      expressionProblem: expressions.matchConditionProblem,
      fileProblem,
    });
  } catch (error) {
    const path = JSON.stringify(flags.text(CONFIG));
    throw new FlagError(`failed to load AuthorizationConfiguration from file ${path}: ${(error as Error).message}`);
  }
}

function fileProblem(path: string): string | undefined {
  try {
    return statSync(path).isFile() ? undefined : 'must be a regular file';
  } catch (error) {
    return `error loading file: ${(error as Error).message}`;
  }
}

function authorizersOf(
  configuration: AuthorizationConfiguration,
  { expressions, clock, random, log }: AuthorizationServices,
  abac: AbacAuthorizer | undefined,
): ChosenAuthorizer[] {
  try {
    return chosenAuthorizers(configuration, {
      ...(abac && { abac }),
      endpoint: (path) => webhookEndpointOf(path, { clock, what: 'connectionInfo.kubeConfigFile' }),
      compile: expressions.matchCondition,
      clock,
      random,
      log,
    });
  } catch (error) {
    if (error instanceof FlagError) throw error;
    throw new FlagError((error as Error).message);
  }
}

function abacOf(flags: ApiServerFlags): AbacAuthorizer | undefined {
  const flag = 'authorization-policy-file';
  if (!flags.has(flag)) return undefined;
  const text = flags.file(flag);
  try {
    return new AbacAuthorizer(parsePolicies(text));
  } catch (error) {
    throw new FlagError(`error reading policy file ${flags.text(flag)}, ${(error as Error).message}`);
  }
}

/** The modes as the configuration that says the same. Node and RBAC unless told. */
function configurationOf(flags: ApiServerFlags): AuthorizationConfiguration {
  const modes = flags.list('authorization-mode', ['Node', 'RBAC']);
  const webhook = flags.text('authorization-webhook-config-file');
  const refuse = (text: string): never => {
    throw new FlagError(text);
  };
  if (modes.length === 0) refuse('at least one authorization-mode must be passed');
  if (new Set(modes).size < modes.length)
    refuse(
      `authorization-mode [${modes.map((one) => JSON.stringify(one)).join(' ')}] has mode specified more than once`,
    );
  for (const mode of modes) {
    if (!AUTHORIZER_TYPES.some((one) => one === mode))
      refuse(`authorization-mode ${JSON.stringify(mode)} is not a valid mode`);
    if (mode === 'ABAC' && !flags.has('authorization-policy-file'))
      refuse("authorization-mode ABAC's authorization policy file not passed");
    if (mode === 'Webhook' && !webhook) refuse("authorization-mode Webhook's authorization config file not passed");
  }
  if (flags.has('authorization-policy-file') && !modes.includes('ABAC'))
    refuse('cannot specify --authorization-policy-file without mode ABAC');
  if (webhook && !modes.includes('Webhook'))
    refuse('cannot specify --authorization-webhook-config-file without mode Webhook');
  return { authorizers: modes.map((mode) => authorizerOf(mode, flags)) };
}

function authorizerOf(mode: string, flags: ApiServerFlags): AuthorizationConfiguration['authorizers'][number] {
  if (mode !== 'Webhook') return { type: mode, name: mode.toLowerCase() };
  const authorizedTTL = flags.milliseconds('authorization-webhook-cache-authorized-ttl', 300_000);
  const unauthorizedTTL = flags.milliseconds('authorization-webhook-cache-unauthorized-ttl', 30_000);
  const version = flags.text('authorization-webhook-version', 'v1beta1');
  if (version !== 'v1' && version !== 'v1beta1')
    throw new FlagError(
      `unsupported webhook authorizer version ${JSON.stringify(version)}, supported versions are "v1", "v1beta1"`,
    );
  return {
    type: mode,
    name: 'default',
    webhook: {
      timeout: 30_000,
      authorizedTTL,
      cacheAuthorizedRequests: authorizedTTL !== 0,
      unauthorizedTTL,
      cacheUnauthorizedRequests: unauthorizedTTL !== 0,
      subjectAccessReviewVersion: version,
      failurePolicy: 'NoOpinion',
      connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: flags.text('authorization-webhook-config-file') },
    },
  };
}
