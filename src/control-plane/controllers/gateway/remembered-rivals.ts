/**
 * All HTTPRoutes and GRPCRoutes, as the same object while nothing has changed that decides which of them has a hostname: what is
 * reckoned from them, for thousands of routes, then holds for all that are looked at. Their statuses change all the time.
 */
import { Namespace } from '#api/core/v1/namespace.ts';
import { GRPCRoute } from '#api/gateway/v1/grpc-route.ts';
import { HTTPRoute } from '#api/gateway/v1/http-route.ts';
import type { AnyRoute } from '#api/gateway/v1/route.ts';
import type { Rivals } from '#api/gateway/v1/route-conflict.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { Cached } from '../define-controller.ts';

export type RivalsIn = (cached: Cached<Kind>) => Rivals;

export function rememberedRivals(): RivalsIn {
  let namespaces: readonly KubeObject[] = [];
  let last: Rivals = { HTTPRoute: [], GRPCRoute: [] };
  return (cached) => {
    const now = cached(Namespace).list();
    const routes = (kind: unknown) => cached(kind as Kind<AnyRoute>).list();
    const [httpRoutes, grpcRoutes] = [routes(HTTPRoute), routes(GRPCRoute)];
    const isAsBefore =
      areSame(last.HTTPRoute, httpRoutes, isSameGeneration) &&
      areSame(last.GRPCRoute, grpcRoutes, isSameGeneration) &&
      areSame(namespaces, now, hasSameLabels);
    if (isAsBefore) return last;
    namespaces = now;
    last = { HTTPRoute: httpRoutes, GRPCRoute: grpcRoutes };
    return last;
  };
}

type Same = (a: KubeObject, b: KubeObject) => boolean;

const areSame = (some: readonly KubeObject[], others: readonly KubeObject[], isSame: Same): boolean =>
  some.length === others.length && some.every((one, i) => one === others[i] || isSame(one, others[i] as KubeObject));

const isSameObject: Same = (a, b) => a.metadata.uid !== undefined && a.metadata.uid === b.metadata.uid;

const isSameGeneration: Same = (a, b) =>
  isSameObject(a, b) && a.metadata.generation !== undefined && a.metadata.generation === b.metadata.generation;

const hasSameLabels: Same = (a, b) =>
  isSameObject(a, b) && JSON.stringify(a.metadata.labels) === JSON.stringify(b.metadata.labels);
