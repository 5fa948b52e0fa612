/** The flags that every command of the API's client has. Source: cli-runtime, ConfigFlags. */
import type { FlagSpec } from './flags.ts';

export const GLOBAL_FLAGS: readonly FlagSpec[] = [
  { name: 'kubeconfig', type: 'string', summary: 'path of the kubeconfig' },
  { name: 'context', type: 'string', summary: 'context of the kubeconfig' },
  { name: 'cluster', type: 'string', summary: 'cluster of the kubeconfig' },
  { name: 'user', type: 'string', summary: 'user of the kubeconfig' },
  { name: 'namespace', short: 'n', type: 'string', summary: 'namespace of the request' },
  { name: 'server', short: 's', type: 'string', summary: 'address and port of the API server' },
  { name: 'tls-server-name', type: 'string', summary: "name that the server's certificate must carry" },
  { name: 'insecure-skip-tls-verify', type: 'bool', summary: "do not check the server's certificate" },
  { name: 'certificate-authority', type: 'string', summary: 'file with the certificate of the authority' },
  { name: 'client-certificate', type: 'string', summary: 'file with the client certificate' },
  { name: 'client-key', type: 'string', summary: 'file with the key of the client certificate' },
  { name: 'token', type: 'string', summary: 'bearer token' },
  { name: 'as', type: 'string', summary: 'user to act as' },
  { name: 'as-group', type: 'repeated', summary: 'group to act as; may be repeated' },
  { name: 'as-uid', type: 'string', summary: 'UID to act as' },
  {
    name: 'request-timeout',
    type: 'string',
    default: '0',
    summary: 'how long to wait for one answer, e.g. 1s, 2m; 0 for ever',
  },
  { name: 'v', short: 'v', type: 'int', default: '0', summary: 'has no meaning here' },
  { name: 'warnings-as-errors', type: 'bool', summary: 'end with a failure when the server warns' },
];

/** `kedge -n kube-system get pods`: what stands before the command goes behind it. */
export function withLeadingFlagsBehind(argv: readonly string[]): readonly string[] {
  let at = 0;
  while (at < argv.length) {
    const word = argv[at]!;
    const [, name = ''] = /^--?([^=]+)/.exec(word) ?? [];
    const spec = GLOBAL_FLAGS.find((flag) => (word.startsWith('--') ? flag.name === name : flag.short === word[1]));
    if (!word.startsWith('-') || !spec) break;
    const isWhole = word.includes('=') || spec.type === 'bool' || (!word.startsWith('--') && word.length > 2);
    at += isWhole ? 1 : 2;
  }
  const [command, ...rest] = argv.slice(at);
  return at === 0 || command === undefined ? argv : [command, ...argv.slice(0, at), ...rest];
}
