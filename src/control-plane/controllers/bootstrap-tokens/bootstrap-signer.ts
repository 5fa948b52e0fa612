/**
 * Signs the kubeconfig in kube-public/cluster-info with every bootstrap token that may: who has one of the tokens can trust
 * what it finds there without credentials. Off unless it is asked for. Source: pkg/controller/bootstrap, Signer.
 */
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Secret } from '#api/core/v1/secret.ts';
import { toBase64 } from '#api/machinery/base64.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { again, defineController, settled, watching } from '../define-controller.ts';
import { isBootstrapToken, leftMs, type SigningToken, signingTokenOf, TOKEN_NAMESPACE } from './bootstrap-token.ts';

/** HMAC with SHA-256, of texts as UTF-8. */
export type Hmac = (key: string, text: string) => Uint8Array;

const CLUSTER_INFO = 'kube-public/cluster-info';
const SIGNATURE = 'jws-kubeconfig-';

export const bootstrapSigner = (hmac: Hmac) =>
  defineController({
    name: 'bootstrap-signer-controller',
    serviceAccount: 'bootstrap-signer',
    reconciles: ConfigMap,
    hasRoles: true,
    watches: [watching(Secret, (secret) => (isBootstrapToken(secret) ? [CLUSTER_INFO] : []))],
    writes: { update: [ConfigMap] },

    async reconcile(info: ConfigMap, { key, cached, api, clock }) {
      const kubeconfig = info.data?.['kubeconfig'];
      if (key !== CLUSTER_INFO || kubeconfig === undefined) return settled;
      const nowMs = clock.now();
      const secrets = cached(Secret).inNamespace(TOKEN_NAMESPACE).filter(isBootstrapToken);
      const tokens = secrets.flatMap((secret) => signingTokenOf(secret, nowMs) ?? []);
      const others = Object.entries(info.data ?? {}).filter(([name]) => !name.startsWith(SIGNATURE));
      const signatures = tokens.map((token) => [SIGNATURE + token.id, detachedJws(kubeconfig, token, hmac)]);
      const data = Object.fromEntries([...others, ...signatures]);
      if (!isEqual(data, info.data)) await api.update(ConfigMap, { ...info, data });
      const ends = secrets.flatMap((secret) => leftMs(secret, nowMs) || []);
      return ends.length > 0 ? again({ afterMs: Math.min(...ends) }) : settled;
    },
  });

/** RFC 7515, appendix F: what is signed stands elsewhere. */
function detachedJws(content: string, { id, secret }: SigningToken, hmac: Hmac): string {
  const encoded = (bytes: Uint8Array) => toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
  const text = new TextEncoder();
  const header = encoded(text.encode(JSON.stringify({ alg: 'HS256', kid: id })));
  return `${header}..${encoded(hmac(secret, `${header}.${encoded(text.encode(content))}`))}`;
}
