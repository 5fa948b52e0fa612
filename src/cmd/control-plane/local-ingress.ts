/** Ingress out of the box: its class. What serves it are processes of the nodes. */
import { hasReason } from '#api/machinery/status.ts';
import { IngressClass } from '#api/networking/v1/ingress-class.ts';
import { INGRESS_CLASS, INGRESS_CONTROLLER } from '#api/networking/v1/kedge-ingress.ts';
import type { Client } from '#client/client.ts';

/** One that somebody has changed, or brought along, stays as it is. */
export async function ensureIngressClass(client: Client): Promise<void> {
  const annotations = { 'ingressclass.kubernetes.io/is-default-class': 'true' };
  const metadata = { name: INGRESS_CLASS, annotations };
  await client.create(IngressClass, { metadata, spec: { controller: INGRESS_CONTROLLER } }).catch((error: unknown) => {
    if (!hasReason(error, 'AlreadyExists')) throw error;
  });
}
