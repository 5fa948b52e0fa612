/**
 * Options of kube-apiserver that `kedge up` takes as well, with upstream's names. They are kept on record as they were
 * given; an empty value takes one back. What they mean is for the control plane to say (`cmd/control-plane`).
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';

interface ApiServerOption {
  name: string;
  value: string;
  text: string;
  /** A path, relative to where the command is given. */
  isFile?: true;
  /** That file need not be there yet. */
  isWritten?: true;
}

const file = (name: string, text: string): ApiServerOption => ({ name, value: '<file>', text, isFile: true });
const option = (name: string, value: string, text: string): ApiServerOption => ({ name, value, text });

export const apiServerOptions: readonly ApiServerOption[] = [
  file('authentication-config', 'issuers of JWTs, and where nobody may ask (AuthenticationConfiguration)'),
  option('anonymous-auth', '<true|false>', 'whether requests without credentials are taken (upstream: true)'),
  file('token-auth-file', 'CSV with static tokens: token, user, uid, "groups"'),
  option('oidc-issuer-url', '<url>', 'an OpenID Connect issuer whose tokens are believed'),
  option('oidc-client-id', '<id>', 'the audience that its tokens must name'),
  file('oidc-ca-file', 'the authority that signed its certificate'),
  option('oidc-username-claim', '<claim>', 'the claim that is the user (upstream: sub)'),
  option('oidc-username-prefix', '<prefix>', 'what stands before it; - for nothing (upstream: the issuer and #)'),
  option('oidc-groups-claim', '<claim>', 'the claim that holds the groups'),
  option('oidc-groups-prefix', '<prefix>', 'what stands before each'),
  option('oidc-required-claim', '<key=value,…>', 'claims that its tokens must have'),
  option('oidc-signing-algs', '<alg,…>', 'algorithms that its tokens may be signed with (upstream: RS256)'),
  file('authentication-token-webhook-config-file', 'kubeconfig of a service that is asked about tokens'),
  option('authentication-token-webhook-version', '<version>', 'of the TokenReview sent to it (upstream: v1beta1)'),
  option('authentication-token-webhook-cache-ttl', '<time>', 'how long its answers hold (upstream: 2m0s)'),
  file('requestheader-client-ca-file', 'a further authority of front proxies that say who is asking'),
  option('requestheader-allowed-names', '<name,…>', 'common names of such proxies'),
  option('requestheader-username-headers', '<header,…>', 'headers with the user (X-Remote-User)'),
  option('requestheader-uid-headers', '<header,…>', 'headers with the uid (X-Remote-Uid)'),
  option('requestheader-group-headers', '<header,…>', 'headers with the groups (X-Remote-Group)'),
  option('requestheader-extra-headers-prefix', '<prefix,…>', 'headers with the rest (X-Remote-Extra-)'),
  option('service-account-signing-endpoint', '<socket>', 'a process that signs tokens of ServiceAccounts, by its path'),
  file('authorization-config', 'which authorizers are asked (AuthorizationConfiguration)'),
  option('authorization-mode', '<mode,…>', 'Node, RBAC, ABAC, Webhook, AlwaysAllow, AlwaysDeny (Node,RBAC)'),
  file('authorization-policy-file', 'policies of ABAC, one a line'),
  file('authorization-webhook-config-file', 'kubeconfig of a service that is asked what users may do'),
  option('authorization-webhook-version', '<version>', 'of the SubjectAccessReview sent to it (upstream: v1beta1)'),
  option('authorization-webhook-cache-authorized-ttl', '<time>', 'how long its yes holds (upstream: 5m0s)'),
  option('authorization-webhook-cache-unauthorized-ttl', '<time>', 'how long its no holds (upstream: 30s)'),
  option('enable-admission-plugins', '<name,…>', 'plugins that run beside the usual ones'),
  option('disable-admission-plugins', '<name,…>', 'usual plugins that do not run'),
  file('admission-control-config-file', 'what plugins are told (AdmissionConfiguration)'),
  file('audit-policy-file', 'what of which requests is recorded (audit.k8s.io/v1 Policy)'),
  { ...file('audit-log-path', 'where, a line of JSON an event'), isWritten: true },
  option('audit-log-format', '<json|legacy>', 'legacy: lines that are easy to read (upstream: json)'),
  option('audit-log-maxsize', '<MB>', 'after so much a new file begins (upstream: 100)'),
  option('audit-log-maxbackup', '<n>', 'full files that are kept; 0: all (upstream: 100)'),
  option('audit-log-maxage', '<days>', 'how long; 0: for ever (upstream: 366)'),
  file('audit-webhook-config-file', 'kubeconfig of a service that is told of what was done'),
  option('audit-webhook-initial-backoff', '<time>', 'before it is told again after a failure (upstream: 10s)'),
  option('audit-webhook-batch-buffer-size', '<n>', 'events that may wait for it (upstream: 10000)'),
  option('audit-webhook-batch-max-size', '<n>', 'events it is told of at once (upstream: 400)'),
  option('audit-webhook-batch-max-wait', '<time>', 'how long the first of them waits (upstream: 30s)'),
  file('encryption-provider-config', 'which resources are stored sealed, and how (EncryptionConfiguration)'),
  option('encryption-provider-config-automatic-reload', '<true|false>', 'whether a changed file is read again (false)'),
  option('request-timeout', '<time>', 'until when requests must be answered (upstream: 1m0s)'),
  option('shutdown-delay-duration', '<time>', 'how long requests are taken after /readyz says no (upstream: 0s)'),
  option('goaway-chance', '<0…0.02>', 'of a request to have its client come back on another connection (upstream: 0)'),
  option('max-requests-inflight', '<n>', 'seats of priority and fairness, with those of the next (upstream: 400)'),
  option('max-mutating-requests-inflight', '<n>', '(upstream: 200)'),
  file('scheduler-config', 'profiles and extenders of the scheduler (KubeSchedulerConfiguration)'),
  option('etcd-servers', '<url,…>', 'an etcd in place of the own store; several control planes may share it'),
  file('etcd-cafile', 'the authority that signed its certificate'),
  file('etcd-certfile', 'the certificate that is shown to it'),
  file('etcd-keyfile', 'and its key'),
  option('leader-elect', '<true|false>', 'whether one at a time runs controllers and scheduler (true with an etcd)'),
  option('leader-elect-lease-duration', '<time>', 'after which another may lead (upstream: 15s)'),
  option('leader-elect-renew-deadline', '<time>', 'in which a leader must have renewed (upstream: 10s)'),
  option('leader-elect-retry-period', '<time>', 'between tries (upstream: 2s)'),
  option('controllers', '<name,…>', 'of kube-controller-manager: which run; -NAME for all but that one (upstream: *)'),
];

export function withApiServerOptions(command: Command): Command {
  for (const { name, value, text, isFile, isWritten } of apiServerOptions) {
    const made = new Option(`--${name} ${value}`, text).helpGroup('Of the API server, as kube-apiserver has them:');
    command.addOption(isFile && !isWritten ? made.argParser(fileToRead) : made);
  }
  return command;
}

/** Refused before it is on record, where it would stop every later start. */
function fileToRead(path: string): string {
  if (path === '' || existsSync(path)) return path;
  throw new InvalidArgumentError(`There is no file ${resolve(path)}.`);
}

const camelCase = (name: string): string => name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** What was given, by upstream's names; paths made absolute. */
export function apiServerFlagsIn(options: object): Record<string, string> {
  const given = options as Record<string, unknown>;
  const flags = apiServerOptions.flatMap(({ name, isFile }): [string, string][] => {
    const value = given[camelCase(name)];
    if (typeof value !== 'string') return [];
    return [[name, isFile && value ? resolve(value) : value]];
  });
  return Object.fromEntries(flags);
}

/** Those on record, changed by what was given. */
export const changedFlags = (
  before: Readonly<Record<string, string>> = {},
  given: Readonly<Record<string, string>> = {},
): Record<string, string> =>
  Object.fromEntries(Object.entries({ ...before, ...given }).filter(([, value]) => value !== ''));

/** For an API server that does not start: which flags are on record, and how to be rid of one. '' when there are none. */
export function flagsHint(flags: Readonly<Record<string, string>> = {}): string {
  const names = Object.keys(flags).map((name) => `--${name}`);
  return names.length > 0
    ? `\nIts flags stay on record: ${names.join(', ')}. Give one anew to change it, or as \`${names[0]} ''\` to take it back.`
    : '';
}
