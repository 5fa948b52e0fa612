/** A kubeconfig with everything in it: one cluster, one user, one context of the given name. */
import type { KeyPair } from './certificate.ts';

export interface KubeconfigSubject {
  /** Name of the context and of the cluster, e.g. `kedge-dev`. */
  name: string;
  /** `https://127.0.0.1:6443` */
  server: string;
  /** PEM. */
  caCertificate: string;
  client: KeyPair;
  /** Name of the user entry; the context's when absent. */
  user?: string;
  namespace?: string;
}

const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64');
const quoted = (text: string): string => JSON.stringify(text); // a JSON string is a YAML string

/** YAML, in the order in which kubectl writes it. Holds a private key: to be stored with mode 0600. */
export const kubeconfigFor = ({ name, server, caCertificate, client, user = name, namespace }: KubeconfigSubject) =>
  `apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: ${base64(caCertificate)}
    server: ${quoted(server)}
  name: ${quoted(name)}
contexts:
- context:
    cluster: ${quoted(name)}${namespace ? `\n    namespace: ${quoted(namespace)}` : ''}
    user: ${quoted(user)}
  name: ${quoted(name)}
current-context: ${quoted(name)}
kind: Config
users:
- name: ${quoted(user)}
  user:
    client-certificate-data: ${base64(client.certificate)}
    client-key-data: ${base64(client.key)}
`;
