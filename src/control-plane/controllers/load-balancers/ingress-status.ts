/** Says of every Ingress that the cluster's own controller serves where it is reached. */

import { keyOf } from '#api/machinery/object.ts';
import { classOf, Ingress } from '#api/networking/v1/ingress.ts';
import { IngressClass } from '#api/networking/v1/ingress-class.ts';
import { defineController, settled, watching } from '../define-controller.ts';

export interface IngressAddresses {
  /** As IngressClasses name it. */
  controller: string;
  addresses: readonly string[];
}

export const ingressStatus = ({ controller, addresses }: IngressAddresses) =>
  defineController({
    name: 'ingress-status-controller',
    reconciles: Ingress,
    watches: [
      watching(IngressClass, ({ metadata }, cached) =>
        cached(Ingress)
          .list()
          .filter((ingress) => classOf(ingress) === metadata.name)
          .map(keyOf),
      ),
    ],
    writes: { status: [Ingress] },

    async reconcile(ingress, { cached, api }) {
      if (ingress.metadata.deletionTimestamp) return settled;
      const ingressClass = cached(IngressClass).get(classOf(ingress) ?? '');
      if (ingressClass?.spec.controller !== controller) return settled;
      await api.updateStatus(ingress, { loadBalancer: { ingress: addresses.map((ip) => ({ ip })) } });
      return settled;
    },
  });
