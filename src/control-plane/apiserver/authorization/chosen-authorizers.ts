/** From a configuration to the authorizers that are asked. */
import type { Program } from '#api/machinery/cel/program.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import { ReviewWebhook, type WebhookEndpoint } from '../remote/review-webhook.ts';
import type { AbacAuthorizer } from './abac.ts';
import { alwaysAllow, alwaysDeny } from './always.ts';
import type { AuthorizationConfiguration, AuthorizerConfiguration } from './authorization-configuration.ts';
import type { ChosenAuthorizer } from './cluster-authorizer.ts';
import { WebhookAuthorizer } from './webhook-authorizer.ts';

export interface ChosenAuthorizersServices {
  /** With mode ABAC: the policies of --authorization-policy-file. */
  abac?: AbacAuthorizer;
  /** Reads a kubeconfig. Throws when it cannot be used. */
  endpoint(kubeConfigFile: string): WebhookEndpoint;
  /** Throws for an expression that was not found good before. */
  compile(expression: string): Program;
  clock: Clock;
  random: Random;
  log: Log;
}

/** Throws an Error that says what is missing. */
export const chosenAuthorizers = (
  { authorizers }: AuthorizationConfiguration,
  services: ChosenAuthorizersServices,
): ChosenAuthorizer[] => authorizers.map((one) => chosen(one, services));

function chosen(configuration: AuthorizerConfiguration, services: ChosenAuthorizersServices): ChosenAuthorizer {
  switch (configuration.type) {
    case 'Node':
    case 'RBAC':
      return configuration.type;
    case 'AlwaysAllow':
      return alwaysAllow;
    case 'AlwaysDeny':
      return alwaysDeny;
    case 'ABAC':
      if (services.abac) return services.abac;
      throw new Error("authorization-mode ABAC's authorization policy file not passed");
    case 'Webhook':
      return webhookOf(configuration, services);
    default:
      throw new Error(`unknown authorization mode ${configuration.type} specified`);
  }
}

function webhookOf({ name, webhook = {} }: AuthorizerConfiguration, services: ChosenAuthorizersServices) {
  const { clock, random, log } = services;
  const { kubeConfigFile } = webhook.connectionInfo ?? {};
  if (!kubeConfigFile) throw new Error(`authorizer ${name}: only connections of type KubeConfigFile are supported`);
  const timeoutMs = webhook.timeout ?? 30_000;
  return new WebhookAuthorizer({
    name,
    webhook: new ReviewWebhook({ endpoint: services.endpoint(kubeConfigFile), clock, random, timeoutMs }),
    version: webhook.subjectAccessReviewVersion === 'v1beta1' ? 'v1beta1' : 'v1',
    authorizedMs: webhook.cacheAuthorizedRequests === false ? 0 : (webhook.authorizedTTL ?? 0),
    unauthorizedMs: webhook.cacheUnauthorizedRequests === false ? 0 : (webhook.unauthorizedTTL ?? 0),
    failurePolicy: webhook.failurePolicy === 'Deny' ? 'Deny' : 'NoOpinion',
    conditions: (webhook.matchConditions ?? []).map(({ expression = '' }) => services.compile(expression)),
    clock,
    log,
  });
}
