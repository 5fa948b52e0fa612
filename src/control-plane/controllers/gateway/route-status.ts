/** Says of each route, for each Gateway of ours that it names, whether it hangs on it and whether its backends are there. Source: Gateway API reference, RouteStatus. */
import { Namespace } from '#api/core/v1/namespace.ts';
import { Service } from '#api/core/v1/service.ts';
import { gatewayKeyOf } from '#api/gateway/v1/attachment.ts';
import { referencesOf, resolvedBackend } from '#api/gateway/v1/backend.ts';
import { Gateway } from '#api/gateway/v1/gateway.ts';
import { GatewayClass } from '#api/gateway/v1/gateway-class.ts';
import type { Verdict } from '#api/gateway/v1/listener-state.ts';
import { ReferenceGrant } from '#api/gateway/v1/reference-grant.ts';
import type { AnyRoute, ParentReference, RouteParentStatus } from '#api/gateway/v1/route.ts';
import { type AroundRoute, acceptedAttachment, type Rivals } from '#api/gateway/v1/route-conflict.ts';
import type { GRPCRoute } from '#api/gateway/v1/grpc-route.ts';
import type { HTTPRoute } from '#api/gateway/v1/http-route.ts';
import { knownFilters, type RouteFilter } from '#api/gateway/v1/route-filter.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { keyOf, type ObjectKey } from '#api/machinery/object.ts';
import { type Cached, defineController, settled, watching } from '../define-controller.ts';
import { conditionsOf, no, yes } from './conditions.ts';
import { isLabelledOtherwise, labelsFrom } from './gateway-status.ts';
import { rememberedRivals } from './remembered-rivals.ts';

type Read = Cached<Kind>;

/**
 * @param name of the controller.
 * @param rivals kinds that exclude this one at a hostname. What becomes of one of them is told by its status, too: others may
 *   come in its place.
 */
export function routeStatus<T extends AnyRoute>(
  kind: Kind<T>,
  name: string,
  controllerName: string,
  ...rivals: readonly (Kind<HTTPRoute> | Kind<GRPCRoute>)[]
) {
  const routeKind = kind as unknown as Kind<AnyRoute>;
  const rivalKinds = rivals as unknown as readonly Kind<AnyRoute>[];
  const those = (cached: Read, wanted: (route: AnyRoute) => boolean): ObjectKey[] =>
    cached(routeKind).list().filter(wanted).map(keyOf);
  const isOurs = (parent: RouteParentStatus): boolean => parent.controllerName === controllerName;
  return defineController(() => {
    const rivalsIn = rememberedRivals();
    const around = (cached: Read): Rivals => (rivalKinds.length > 0 ? rivalsIn(cached) : NO_RIVALS);
    return {
      name,
      reconciles: routeKind,
      watches: [
        ...rivalKinds.map((rivalKind) =>
          watching(rivalKind, (rival, cached) => {
            const parents = new Set(parentsOf(rival));
            return those(cached, (route) => parentsOf(route).some((parent) => parents.has(parent)));
          }),
        ),
        watching(GatewayClass, (_, cached) => those(cached, () => true)),
        watching(
          Gateway,
          (gateway, cached) => those(cached, (route) => parentsOf(route).includes(keyOf(gateway))),
          (now, before) => now.metadata.generation !== before.metadata.generation,
        ),
        watching(ReferenceGrant, (_, cached) => those(cached, () => true)),
        watching(Namespace, (_, cached) => those(cached, () => true), isLabelledOtherwise),
        watching(
          Service,
          (service, cached) => those(cached, (route) => leadsTo(route, keyOf(service))),
          (now, before) => !isEqual(now.spec.ports, before.spec.ports),
        ),
      ],
      writes: { status: [routeKind] },

      async reconcile(route, { cached, api, clock }) {
        const { metadata, status } = route;
        const others = (status?.parents ?? []).filter((parent) => parent.controllerName !== controllerName);
        const resolvedRefs = resolvedOf(route, cached);
        const own = (route.spec.parentRefs ?? []).flatMap((parentRef): RouteParentStatus[] => {
          const gateway = cached(Gateway).get(gatewayKeyOf(parentRef, route) ?? '');
          const gatewayClass = gateway && cached(GatewayClass).get(gateway.spec.gatewayClassName);
          if (!gateway || gatewayClass?.spec.controllerName !== controllerName) return [];
          const before = status?.parents.find((one) => isOurs(one) && isEqual(one.parentRef, parentRef))?.conditions;
          const said = {
            Accepted: acceptedOf(route, parentRef, { gateway, labelsOf: labelsFrom(cached), rivals: around(cached) }),
            ResolvedRefs: resolvedRefs,
          };
          const conditions = conditionsOf(said, { before, generation: metadata.generation, nowMs: clock.now() });
          return [{ parentRef, controllerName, conditions }];
        });
        if (own.length === 0 && others.length === (status?.parents ?? []).length) return settled;
        await api.updateStatus(route, { parents: [...others, ...own] });
        return settled;
      },
    };
  });
}

const NO_RIVALS: Rivals = { HTTPRoute: [], GRPCRoute: [] };

const parentsOf = (route: AnyRoute): ObjectKey[] =>
  (route.spec.parentRefs ?? []).flatMap((parent) => gatewayKeyOf(parent, route) ?? []);

const leadsTo = (route: AnyRoute, key: ObjectKey): boolean =>
  referencesOf(route).some(({ name, namespace = route.metadata.namespace }) => `${namespace}/${name}` === key);

function acceptedOf(route: AnyRoute, parent: ParentReference, around: AroundRoute): Verdict {
  const known = knownFilters(route.kind);
  const unknown = filtersOf(route).find(({ type }) => !known.includes(type));
  if (unknown) return no('UnsupportedValue', `Filters of the type ${unknown.type} are not known`);
  const attachment = acceptedAttachment(route, parent, around);
  return attachment.isAccepted ? yes('Accepted', 'The route is accepted') : no(attachment.reason, attachment.message);
}

function filtersOf(route: AnyRoute): RouteFilter[] {
  type Filtered = { filters?: RouteFilter[]; backendRefs?: { filters?: RouteFilter[] }[] };
  return ((route.spec.rules ?? []) as Filtered[]).flatMap(({ filters = [], backendRefs = [] }) => [
    ...filters,
    ...backendRefs.flatMap((ref) => ref.filters ?? []),
  ]);
}

function resolvedOf(route: AnyRoute, cached: Read): Verdict {
  const around = { grants: cached(ReferenceGrant).list(), service: (key: string) => cached(Service).get(key) };
  for (const ref of referencesOf(route)) {
    const found = resolvedBackend(route, ref, around);
    if (!found.isResolved) return no(found.reason, found.message);
  }
  return yes('ResolvedRefs', 'All references are resolved');
}
