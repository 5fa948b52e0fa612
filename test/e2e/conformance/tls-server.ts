/** A pod that serves over TLS behind a Service of the playground, with a certificate of its own. */
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
export async function serveWebhooks(ground: Playground, nodeName?: string): Promise<(path: string) => ClientConfig> {
  const caBundle = await serveOverTls(ground, {
    program: '/webhook.mjs',
    path: '/readyz',
    ...(nodeName && { nodeName }),
  });
  return (path) => ({ service: { name: HOOK, namespace: ground.namespace, path, port: 443 }, caBundle });
}

interface Served {
  /** In the image. */
  program: string;
  /** Answers when it is ready. */
  path: string;
  /** Beside its certificate. */
  files?: Record<string, string>;
  nodeName?: string;
  /** Of pod, Service and Secret. */
  name?: string;
}

/** @returns its CA, as configurations hold it. */
export async function serveOverTls(ground: Playground, served: Served): Promise<string> {
  const { program, path, files, nodeName, name = HOOK } = served;
  const { ca, pair } = certificatesFor(`${name}.${ground.namespace}.svc`);
  const labels = { app: name };
  const main = {
    name: 'main',
    image: IMAGE,
    command: ['node', program],
    env: [{ name: 'CERTIFICATES', value: '/certificates' }],
    volumeMounts: [{ name: 'certificates', mountPath: '/certificates' }],
    readinessProbe: { httpGet: { scheme: 'HTTPS' as const, port: 8443, path }, periodSeconds: 1 },
  };
  const volumes = [{ name: 'certificates', secret: { secretName: name } }];
  await ground.create(
    secret(name, { 'tls.crt': pair.certificate, 'tls.key': pair.key, ...files }, { type: 'kubernetes.io/tls' }),
    object('Service', name, { spec: { selector: labels, ports: [{ port: 443, targetPort: 8443 }] } }),
    pod(name, {
      labels,
      spec: { restartPolicy: 'Always', containers: [main], volumes, ...(nodeName && { nodeName }) },
    }),
  );
  await ground.ready(name);
  return Buffer.from(ca.certificate).toString('base64');
}

function certificatesFor(name: string) {
  const now = Date.now();
  const validity = { notBeforeMs: now - DAY_MS, notAfterMs: now + DAY_MS };
  const ca = selfSigned({ commonName: 'e2e-webhook-ca', usage: 'ca', ...validity });
  const pair = signedBy(authorityOf(ca), { commonName: name, names: [name], usage: 'server', ...validity });
  return { ca, pair };
}
