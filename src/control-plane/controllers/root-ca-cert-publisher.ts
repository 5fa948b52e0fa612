/** Puts the ConfigMap `kube-root-ca.crt` into every namespace: by it pods know the API server. */
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Namespace } from '#api/core/v1/namespace.ts';
import { hasReason } from '#api/machinery/status.ts';
import { defineController, settled, watching } from './define-controller.ts';
import { isNamespaceGoing } from './pod-writes.ts';

const NAME = 'kube-root-ca.crt';
const DESCRIPTION = 'kubernetes.io/description';
const TEXT =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. ' +
  'No other usage is guaranteed across distributions of Kubernetes clusters.';

/** `rootCa`: PEM. */
export const rootCaCertPublisher = (rootCa: string) =>
  defineController({
    name: 'root-ca-certificate-publisher-controller',
    serviceAccount: 'root-ca-cert-publisher',
    reconciles: Namespace,
    watches: [
      {
        ...watching(ConfigMap, ({ metadata }) => (metadata.namespace ? [metadata.namespace] : [])),
        fieldSelector: `metadata.name=${NAME}`,
      },
    ],
    writes: { create: [ConfigMap], update: [ConfigMap] },
    when: (now, before) => now.status?.phase !== before.status?.phase,
    workers: 1,

    async reconcile({ metadata: { name: namespace, deletionTimestamp } }, { cached, api }) {
      if (deletionTimestamp) return settled;
      const existing = cached(ConfigMap).get(`${namespace}/${NAME}`);
      const isCurrent =
        existing?.data?.['ca.crt'] === rootCa &&
        Object.keys(existing.data).length === 1 &&
        existing.metadata.annotations?.[DESCRIPTION];
      if (isCurrent) return settled;
      const data = { 'ca.crt': rootCa };
      const annotations = { ...existing?.metadata.annotations, [DESCRIPTION]: TEXT };
      try {
        if (existing)
          await api.update(ConfigMap, { ...existing, metadata: { ...existing.metadata, annotations }, data });
        else await api.create(ConfigMap, { metadata: { name: NAME, namespace, annotations }, data });
      } catch (error) {
        // The namespace is going, or is gone. A quota that forbids it may be raised.
        if (!hasReason(error, 'AlreadyExists', 'NotFound') && !isNamespaceGoing(error)) throw error;
      }
      return settled;
    },
  });
