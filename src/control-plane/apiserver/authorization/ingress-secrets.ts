/**
 * Lets the processes that carry Ingress traffic read the certificates that Ingresses name, one by one, and no other Secret:
 * their credentials lie on every node, as those of kubelets do, which the Node authorizer holds to the same.
 */
import type { Ingress } from '#api/networking/v1/ingress.ts';
import { type Attributes, type Authorizer, allow, type Decision, isResourceRequest, noOpinion } from './authorizer.ts';

export const INGRESS_USER = 'kedge:ingress';
const READS = ['get', 'list', 'watch'];

/** `namespace/name` of the Secrets that hold an Ingress's certificates. */
export const certificateKeysOf = ({ metadata, spec }: Ingress): string[] =>
  (spec.tls ?? []).flatMap(({ secretName }) => (secretName ? [`${metadata.namespace}/${secretName}`] : []));

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
    return noOpinion('no Ingress has its certificate there');
  }
}
