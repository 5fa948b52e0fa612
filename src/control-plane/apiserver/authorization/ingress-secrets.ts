/**
 * Lets the processes that carry Ingress traffic read the certificates that Ingresses and Gateways name, one by one, and no other Secret:
 * their credentials lie on every node, as those of kubelets do, which the Node authorizer holds to the same.
 */
import type { Gateway } from '#api/gateway/v1/gateway.ts';
import { mayRefer, type ReferenceGrant } from '#api/gateway/v1/reference-grant.ts';
import { GROUP as GATEWAY_GROUP } from '#api/gateway/v1/schema-parts.ts';
import type { Ingress } from '#api/networking/v1/ingress.ts';
import { type Attributes, type Authorizer, allow, type Decision, isResourceRequest, noOpinion } from './authorizer.ts';

export const INGRESS_USER = 'kedge:ingress';
const READS = ['get', 'list', 'watch'];

const AUTH_SECRET = 'nginx.ingress.kubernetes.io/auth-secret';

/** `namespace/name` of the Secrets that hold an Ingress's certificates, and who may pass; all of its own namespace. */
export function certificateKeysOf({ metadata, spec }: Ingress): string[] {
  const own = `${metadata.namespace}/`;
  const name = metadata.annotations?.[AUTH_SECRET];
  const users = name && (name.includes('/') ? name : own + name);
  return [
    ...(spec.tls ?? []).flatMap(({ secretName }) => (secretName ? [own + secretName] : [])),
    ...(users?.startsWith(own) ? [users] : []),
  ];
}

export const gatewayCertificateKeysOf = ({ metadata, spec }: Gateway): string[] =>
  (spec.listeners ?? []).flatMap(({ tls }) =>
    (tls?.certificateRefs ?? []).map(({ name, namespace = metadata.namespace }) => `${namespace}/${name}`),
  );

/** Of another namespace only where that permits it. */
export function mayShow({ metadata }: Gateway, secret: string, grants: readonly ReferenceGrant[]): boolean {
  const [namespace = '', name = ''] = secret.split('/');
  const from = { group: GATEWAY_GROUP, kind: 'Gateway', namespace: metadata.namespace ?? '' };
  return mayRefer(from, { group: '', kind: 'Secret', namespace, name }, grants);
}

export class IngressSecretsAuthorizer implements Authorizer {
  readonly #someIngressNames: (secret: string) => boolean;

  constructor(someIngressNames: (secret: string) => boolean) {
    this.#someIngressNames = someIngressNames;
  }

  authorize(attributes: Attributes): Decision {
    if (attributes.user.name !== INGRESS_USER || !isResourceRequest(attributes)) return noOpinion();
    const { group, resource, subresource, verb, namespace, name } = attributes;
    if (group || resource !== 'secrets' || subresource || !READS.includes(verb)) return noOpinion();
    if (!name) return noOpinion('can only read a Secret by its name');
    if (this.#someIngressNames(`${namespace}/${name}`)) return allow();
    return noOpinion('no Ingress and no Gateway has its certificate there');
  }
}
