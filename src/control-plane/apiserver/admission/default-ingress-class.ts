/** An Ingress that names no class gets the default one, if there is one. */
import { classOf, type Ingress } from '#api/networking/v1/ingress.ts';
import { IngressClass } from '#api/networking/v1/ingress-class.ts';
import { youngestWith } from './default-class.ts';
import { defineAdmission } from './define-admission.ts';

const IS_DEFAULT = 'ingressclass.kubernetes.io/is-default-class';

export const defaultIngressClass = defineAdmission<Ingress>({
  name: 'DefaultIngressClass',
  on: { resources: [{ group: 'networking.k8s.io', plural: 'ingresses' }], verbs: ['create'] },
  reads: [IngressClass],

  mutate(ingress, _request, { informers }) {
    if (classOf(ingress)) return ingress;
    const chosen = youngestWith(informers.for(IngressClass).list(), [IS_DEFAULT]);
    return chosen ? { ...ingress, spec: { ...ingress.spec, ingressClassName: chosen.metadata.name } } : ingress;
  },
});
