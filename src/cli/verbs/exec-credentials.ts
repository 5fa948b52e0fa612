/**
 * Who one is, asked of a program that the kubeconfig names. Source: documentation, "client-go credential plugins"; client-go,
 * plugin/pkg/client/auth/exec, texts included.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { normalize } from 'node:path';
import type { Cluster, User } from '#client/transport/kubeconfig.ts';
import { Unreachable } from '#client/transport.ts';
import { VerbError } from './verb-error.ts';

export interface ExecPlugin {
  apiVersion?: string;
  command?: string;
  args?: string[] | null;
  env?: { name: string; value?: string }[] | null;
  installHint?: string;
  provideClusterInfo?: boolean;
  interactiveMode?: string;
}

export interface PluginCall {
  /** How the kubeconfig calls the user. */
  userName: string;
  cluster: Cluster;
  env: NodeJS.ProcessEnv;
  hasTerminal: boolean;
}

const VERSIONS = ['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1'];
const MODES = ['Never', 'IfAvailable', 'Always'];
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/** Throws VerbError for a plugin that is not well described, and Unreachable for one that gave no credentials. */
export function credentialsOfPlugin(plugin: ExecPlugin, call: PluginCall): User {
  refuseBad(plugin, call.userName);
  const { apiVersion = '', interactiveMode } = plugin;
  if (!VERSIONS.includes(apiVersion))
    throw new VerbError(`exec plugin: invalid apiVersion ${JSON.stringify(apiVersion)}`);
  const failed = (why: string) => new Unreachable(`getting credentials: ${why}`);
  if (interactiveMode === 'Always' && !call.hasTerminal)
    throw failed('exec plugin cannot support interactive mode: standard input is not a terminal');
  const { status, problem } = statusIn(run(plugin, call, failed), apiVersion);
  if (problem !== undefined) throw failed(problem);
  const { token, clientCertificateData: certificate, clientKeyData: key } = status;
  if (!token && !certificate && !key) throw failed("exec plugin didn't return a token or cert/key pair");
  if (!certificate !== !key) throw failed('exec plugin returned only certificate or key, not both');
  const inBase64 = (text: string) => Buffer.from(text).toString('base64');
  return {
    ...(token && { token }),
    ...(certificate && key && { 'client-certificate-data': inBase64(certificate), 'client-key-data': inBase64(key) }),
  };
}

function refuseBad({ command, apiVersion, env, interactiveMode }: ExecPlugin, user: string): void {
  const purpose = `for ${user} to use exec authentication plugin`;
  const problems = [
    ...(command ? [] : [`command must be specified ${purpose}`]),
    ...(apiVersion ? [] : [`apiVersion must be specified ${purpose}`]),
    ...(env ?? []).flatMap(({ name }) => (name ? [] : [`env variable name must be specified ${purpose}`])),
    ...(interactiveMode
      ? MODES.includes(interactiveMode)
        ? []
        : [`invalid interactiveMode for ${user}: ${JSON.stringify(interactiveMode)}`]
      : apiVersion === VERSIONS[1]
        ? []
        : [`interactiveMode must be specified ${purpose}`]),
  ];
  if (problems.length === 0) return;
  throw new VerbError(problems.length === 1 ? problems[0]! : `invalid configuration: [${problems.join(', ')}]`);
}

const NOT_INSTALLED = `

It looks like you are trying to use a client-go credential plugin that is not installed.

To learn more about this feature, consult the documentation available at:
      https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins`;

/** What it wrote. Its words for the user go where they can be read. */
function run(plugin: ExecPlugin, call: PluginCall, failed: (why: string) => Error): string {
  const { command = '', args, env, installHint, interactiveMode } = plugin;
  const isInteractive = interactiveMode !== 'Never' && call.hasTerminal;
  const info = {
    kind: 'ExecCredential',
    apiVersion: plugin.apiVersion,
    spec: { ...(plugin.provideClusterInfo && { cluster: clusterInfo(call) }), interactive: isInteractive },
  };
  const shown = normalize(command);
  const answer = spawnSync(command, args ?? [], {
    env: {
      ...call.env,
      ...Object.fromEntries((env ?? []).map(({ name, value = '' }) => [name, value])),
      KUBERNETES_EXEC_INFO: JSON.stringify(info),
    },
    stdio: [isInteractive ? 'inherit' : 'ignore', 'pipe', 'inherit'],
    maxBuffer: MAX_ANSWER_BYTES,
    encoding: 'utf8',
  });
  const { error, status, stdout } = answer;
  if ((error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') {
    // Go tells a name that it looked for and a path apart.
    if (command.includes('/')) throw failed(`exec: fork/exec ${shown}: no such file or directory`);
    throw failed(`exec: executable ${shown} not found${NOT_INSTALLED}${installHint ? `\n\n${installHint}` : ''}`);
  }
  if (error) throw failed(`exec: ${error.message}`);
  if (status !== 0) throw failed(`exec: executable ${shown} failed with exit code ${status ?? -1}`);
  return stdout;
}

function clusterInfo({ cluster }: PluginCall): object {
  const file = cluster['certificate-authority'];
  const authority = cluster['certificate-authority-data'] ?? (file ? readFileSync(file).toString('base64') : undefined);
  return {
    server: cluster.server,
    ...(cluster['tls-server-name'] && { 'tls-server-name': cluster['tls-server-name'] }),
    ...(cluster['insecure-skip-tls-verify'] && { 'insecure-skip-tls-verify': true }),
    ...(authority && { 'certificate-authority-data': authority }),
    config: null,
  };
}

interface Status {
  token?: string;
  clientCertificateData?: string;
  clientKeyData?: string;
}

function statusIn(text: string, wanted: string): { status: Status; problem?: string } {
  const status = {};
  let answer: { apiVersion?: string; kind?: string; status?: Status };
  try {
    answer = (JSON.parse(text) ?? {}) as typeof answer;
  } catch (error) {
    return { status, problem: `decoding stdout: ${(error as Error).message}` };
  }
  if (answer.kind !== 'ExecCredential') return { status, problem: `decoding stdout: no kind ExecCredential` };
  if (answer.apiVersion !== wanted)
    return {
      status,
      problem: `exec plugin is configured to use API version ${wanted}, plugin returned version ${answer.apiVersion}`,
    };
  return answer.status ? { status: answer.status } : { status, problem: "exec plugin didn't return a status field" };
}
