/** TokenRequest: a token for a ServiceAccount, for a while and for an audience. Source: API reference, authentication.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { defineBody } from '#api/machinery/define-kind.ts';
import { invalidValue } from '#api/machinery/field-error.ts';

export type TokenRequest = schema.AuthenticationTokenRequest;

const MIN_SECONDS = 10 * 60;
const MAX_SECONDS = 2 ** 32;
const DEFAULT_SECONDS = 60 * 60;

export const TokenRequest = defineBody<schema.AuthenticationTokenRequest>({
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'TokenRequest',
  defaults: (request) =>
    ({
      ...request,
      spec: { ...request.spec, expirationSeconds: request.spec?.expirationSeconds ?? DEFAULT_SECONDS },
    }) as schema.AuthenticationTokenRequest,
  validate: ({ spec: { expirationSeconds: seconds } }, at) => {
    if (seconds < MIN_SECONDS)
      return [invalidValue(at.spec.expirationSeconds, seconds, 'may not specify a duration less than 10 minutes')];
    if (seconds > MAX_SECONDS)
      return [invalidValue(at.spec.expirationSeconds, seconds, 'may not specify a duration larger than 2^32 seconds')];
    return [];
  },
});
