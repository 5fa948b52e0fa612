/** The routes of Ingresses of one controller. Nothing but these and their classes is followed. */
import { classOf, Ingress } from '#api/networking/v1/ingress.ts';
import { IngressClass } from '#api/networking/v1/ingress-class.ts';
import type { Informers } from '#client/informer.ts';
import { alone } from './blame.ts';
import type { RouteSource, SourcedTable } from './route-source.ts';
import { routeTableOf } from './route-table.ts';

export interface IngressSourceOptions {
  /** As IngressClasses name it. */
  controller: string;
  informers: Informers;
  signal: AbortSignal;
}

export function ingressSource({ controller, informers, signal }: IngressSourceOptions): RouteSource {
  const [ingresses, classes] = [informers.for(Ingress), informers.for(IngressClass)];
  const isOurs = (ingress: Ingress): boolean => {
    const name = classOf(ingress);
    return name !== undefined && classes.get(name)?.spec.controller === controller;
  };
  return {
    looksAround: false,
    async start(changed) {
      await informers.synced(signal);
      const stops = [ingresses, classes].map((informer) => informer.onChange(changed));
      signal.addEventListener('abort', () => stops.forEach((stop) => void stop()), { once: true });
    },
    table({ blame }): SourcedTable {
      const ours = ingresses.list().filter((ingress) => alone(ingress, blame, isOurs, false));
      const { hosts } = routeTableOf(ours, blame);
      const certificates = [...hosts.values()].flatMap(({ certificate }) => certificate ?? []);
      const users = new Map(
        [...hosts.values()].flatMap(({ routes }) =>
          routes.flatMap(({ options: { basicAuth } }) =>
            basicAuth?.secret ? [[basicAuth.secret, basicAuth] as const] : [],
          ),
        ),
      );
      return { hosts, certificates, users, isInUse: ours.length > 0 };
    },
  };
}
