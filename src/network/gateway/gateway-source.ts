/** The routes of Gateways of one controller. Until there is a Gateway of ours, Gateways and their classes alone are followed. */
import { Namespace } from '#api/core/v1/namespace.ts';
import { Gateway } from '#api/gateway/v1/gateway.ts';
import { GatewayClass } from '#api/gateway/v1/gateway-class.ts';
import { GRPCRoute } from '#api/gateway/v1/grpc-route.ts';
import { HTTPRoute } from '#api/gateway/v1/http-route.ts';
import { ReferenceGrant } from '#api/gateway/v1/reference-grant.ts';
import type { AnyRoute } from '#api/gateway/v1/route.ts';
import { TLSRoute } from '#api/gateway/v1/tls-route.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { Informer, Informers } from '#client/informer.ts';
import type { RouteSource } from '#network/ingress/route-source.ts';
import { gatewayTableOf } from './gateway-table.ts';

export interface GatewaySourceOptions {
  /** As GatewayClasses name it. */
  controller: string;
  /** Of its own: these kinds may not be served at all. */
  informers: Informers;
  signal: AbortSignal;
}

const ROUTES = [HTTPRoute, GRPCRoute, TLSRoute] as unknown as readonly Kind<AnyRoute>[];

export function gatewaySource({ controller, informers, signal }: GatewaySourceOptions): RouteSource {
  const [gateways, classes] = [informers.for(Gateway), informers.for(GatewayClass)];
  let more: Followed | undefined;
  let changed: () => void = () => undefined;
  const ours = (): Gateway[] =>
    gateways.list().filter(({ spec }) => classes.get(spec.gatewayClassName)?.spec.controllerName === controller);
  const listen = <T extends KubeObject>(informer: Informer<T>): Informer<T> => {
    const stop = informer.onChange(() => changed());
    signal.addEventListener('abort', stop, { once: true });
    return informer;
  };

  /** Until all have been listed nothing is served: what is not known yet must not look as if it were forbidden. */
  async function followMore(): Promise<void> {
    const followed = {
      routes: ROUTES.map((kind) => informers.for(kind)),
      grants: informers.for(ReferenceGrant),
      namespaces: informers.for(Namespace),
      isKnown: false,
    };
    more = followed;
    await informers.synced(signal);
    for (const informer of followed.routes) listen(informer);
    listen(followed.grants);
    listen(followed.namespaces);
    followed.isKnown = true;
    changed();
  }

  return {
    looksAround: true,
    async start(onChange) {
      await informers.synced(signal);
      changed = onChange;
      listen(gateways);
      listen(classes);
    },
    table(around) {
      const mine = ours();
      if (mine.length === 0) return { certificates: [], isInUse: false };
      if (!more)
        followMore().catch((error: unknown) => {
          if (!signal.aborted) throw error; // it only waits: nothing else can go wrong
        });
      if (!more?.isKnown) return { certificates: [], isInUse: true };
      const { routes, grants, namespaces } = more;
      const { ports, certificates } = gatewayTableOf({
        gateways: mine,
        routes: routes.flatMap((informer) => informer.list()),
        grants: grants.list(),
        labelsOf: (name) => namespaces.get(name)?.metadata.labels ?? (namespaces.get(name) && {}),
        ...around,
      });
      return { ports, certificates, isInUse: true };
    },
  };
}

interface Followed {
  routes: Informer<AnyRoute>[];
  grants: Informer<ReferenceGrant>;
  namespaces: Informer<Namespace>;
  isKnown: boolean;
}
