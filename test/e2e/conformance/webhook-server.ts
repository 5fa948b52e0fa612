/** A pod that serves webhooks behind a Service of the playground, with a certificate of its own. */
import { authorityOf, selfSigned, signedBy } from '#cmd/pki/certificate.ts';
import { IMAGE } from './image.ts';
import { object, type Playground, pod, secret } from './playground.ts';

const DAY_MS = 86_400_000;
export const HOOK = 'e2e-test-webhook';

export interface ClientConfig {
  service: { name: string; namespace: string; path: string; port: number };
  caBundle: string;
}

/** @returns how a configuration names one of its paths. */
export async function serveWebhooks(ground: Playground): Promise<(path: string) => ClientConfig> {
  const name = `${HOOK}.${ground.namespace}.svc`;
  const { ca, pair } = certificatesFor(name);
  const labels = { app: HOOK };
  await ground.create(
    secret(HOOK, { 'tls.crt': pair.certificate, 'tls.key': pair.key }, { type: 'kubernetes.io/tls' }),
    object('Service', HOOK, { spec: { selector: labels, ports: [{ port: 443, targetPort: 8443 }] } }),
    pod(HOOK, {
      labels,
      spec: {
        restartPolicy: 'Always',
        containers: [
          {
            name: 'main',
            image: IMAGE,
            command: ['node', '/webhook.mjs'],
            env: [{ name: 'CERTIFICATES', value: '/certificates' }],
            volumeMounts: [{ name: 'certificates', mountPath: '/certificates' }],
            readinessProbe: { httpGet: { scheme: 'HTTPS', port: 8443, path: '/readyz' }, periodSeconds: 1 },
          },
        ],
        volumes: [{ name: 'certificates', secret: { secretName: HOOK } }],
      },
    }),
  );
  await ground.ready(HOOK);
  const caBundle = Buffer.from(ca.certificate).toString('base64');
  return (path) => ({ service: { name: HOOK, namespace: ground.namespace, path, port: 443 }, caBundle });
}

function certificatesFor(name: string) {
  const now = Date.now();
  const validity = { notBeforeMs: now - DAY_MS, notAfterMs: now + DAY_MS };
  const ca = selfSigned({ commonName: 'e2e-webhook-ca', usage: 'ca', ...validity });
  const pair = signedBy(authorityOf(ca), { commonName: name, names: [name], usage: 'server', ...validity });
  return { ca, pair };
}
