/** Says of every Ingress that the cluster's own controller serves where it is reached, and takes that back from others. */

import { isEqual } from '#api/machinery/equal.ts';
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
      const isOurs = ingressClass?.spec.controller === controller;
      // Of another class since: whoever serves it now may have said something else already.
      if (!isOurs && saysOnly(ingress, addresses)) await api.updateStatus(ingress, { loadBalancer: {} });
      if (!isOurs) return settled;
      await api.updateStatus(ingress, { loadBalancer: { ingress: addresses.map((ip) => ({ ip })) } });
      return settled;
    },
  });

const saysOnly = ({ status }: Ingress, addresses: readonly string[]): boolean =>
  addresses.length > 0 &&
  isEqual(
    status?.loadBalancer?.ingress,
    addresses.map((ip) => ({ ip })),
  );
