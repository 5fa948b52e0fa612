/** The --oidc-* flags as the configuration that says the same. */
import type {
  AuthenticationConfiguration,
  ClaimValidationRule,
} from '#control-plane/apiserver/authentication/authentication-configuration.ts';
import { ALL_ALGORITHMS } from '#control-plane/apiserver/authentication/jwt/jwt-authenticator.ts';
import { type ApiServerFlags, FlagError } from './api-server-flags.ts';

/** Without such flags there are no issuers. Throws FlagError. */
export function oidcConfigurationOf(
  flags: ApiServerFlags,
  read: (path: string) => string,
): AuthenticationConfiguration {
  if (flags.has('oidc-issuer-url') !== flags.has('oidc-client-id'))
    throw new FlagError('oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set');
  if (!flags.has('oidc-issuer-url')) return { jwt: [] };
  for (const algorithm of flags.list('oidc-signing-algs'))
    if (!ALL_ALGORITHMS.some((one) => one === algorithm))
      throw new FlagError(`oidc: unsupported signing alg: ${JSON.stringify(algorithm)}`);
  const url = flags.text('oidc-issuer-url');
  const groups = flags.text('oidc-groups-claim');
  const rules = flags.list('oidc-required-claim').map(requiredClaim);
  return {
    jwt: [
      {
        issuer: {
          url,
          audiences: [flags.text('oidc-client-id')],
          ...(flags.has('oidc-ca-file') && { certificateAuthority: read(flags.text('oidc-ca-file')) }),
        },
        claimMappings: {
          username: { claim: flags.text('oidc-username-claim', 'sub'), prefix: usernamePrefix(flags, url) },
          ...(groups && { groups: { claim: groups, prefix: flags.text('oidc-groups-prefix') } }),
        },
        ...(rules.length > 0 && { claimValidationRules: rules }),
      },
    ],
  };
}

/** Names of other users of the cluster must not be taken by chance; addresses are not so. */
function usernamePrefix(flags: ApiServerFlags, url: string): string {
  const given = flags.text('oidc-username-prefix');
  if (given === '-') return '';
  return given || (flags.text('oidc-username-claim', 'sub') === 'email' ? '' : `${url}#`);
}

function requiredClaim(text: string): ClaimValidationRule {
  const at = text.indexOf('=');
  if (at < 1) throw new FlagError(`--oidc-required-claim: ${JSON.stringify(text)} must be formatted as key=value`);
  return { claim: text.slice(0, at), requiredValue: text.slice(at + 1) };
}
