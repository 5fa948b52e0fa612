/** Says of each Gateway of ours where it is reached, and of each of its listeners whether it is served and what hangs on it. Source: Gateway API reference, GatewayStatus. */
import { Namespace } from '#api/core/v1/namespace.ts';
import { Secret } from '#api/core/v1/secret.ts';
import { gatewayKeyOf, kindsOf } from '#api/gateway/v1/attachment.ts';
import { Gateway, type GatewayAddress, type Listener, type ListenerStatus } from '#api/gateway/v1/gateway.ts';
import { GatewayClass } from '#api/gateway/v1/gateway-class.ts';
import { GRPCRoute } from '#api/gateway/v1/grpc-route.ts';
import { HTTPRoute } from '#api/gateway/v1/http-route.ts';
import { isServed, type ListenerState, listenerStateOf, type Verdict } from '#api/gateway/v1/listener-state.ts';
import { ReferenceGrant } from '#api/gateway/v1/reference-grant.ts';
import type { AnyRoute } from '#api/gateway/v1/route.ts';
import { acceptedAttachment, type Rivals } from '#api/gateway/v1/route-conflict.ts';
import { takenPorts } from '#api/gateway/v1/taken-ports.ts';
import { TLSRoute } from '#api/gateway/v1/tls-route.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { type KubeObject, keyOf, type ObjectKey } from '#api/machinery/object.ts';
import { type Cached, defineController, settled, watching } from '../define-controller.ts';
import { conditionsOf, no, yes } from './conditions.ts';
import { rememberedRivals } from './remembered-rivals.ts';

export interface GatewayAddresses {
  /** As GatewayClasses name it. */
  controllerName: string;
  /** Where all of them are reached. */
  addresses: readonly string[];
}

type Read = Cached<Kind>;

const parentsOf = (route: AnyRoute): ObjectKey[] =>
  (route.spec.parentRefs ?? []).flatMap((parent) => gatewayKeyOf(parent, route) ?? []);
const all = (cached: Read): ObjectKey[] => cached(Gateway).list().map(keyOf);

export const gatewayStatus = ({ controllerName, addresses }: GatewayAddresses) =>
  defineController(() => {
    const rivalsIn = rememberedRivals();
    return {
      name: 'gateway-controller',
      reconciles: Gateway,
      watches: [
        watching(GatewayClass, (_, cached) => all(cached)),
        watching(Gateway, (_, cached) => all(cached), isOtherwise), // they share their ports
        watching(HTTPRoute, parentsOf, isOtherwise),
        watching(GRPCRoute, parentsOf, isOtherwise),
        watching(TLSRoute, parentsOf, isOtherwise),
        watching(ReferenceGrant, (_, cached) => all(cached)),
        watching(Namespace, (_, cached) => all(cached), isLabelledOtherwise),
        watching(Secret, (secret, cached) =>
          cached(Gateway)
            .list()
            .filter((gateway) => namesSecret(gateway, keyOf(secret)))
            .map(keyOf),
        ),
      ],
      writes: { status: [Gateway] },

      async reconcile(gateway, { cached, api, clock }) {
        const { spec, metadata, status } = gateway;
        const isOurs = (one: Gateway) =>
          cached(GatewayClass).get(one.spec.gatewayClassName)?.spec.controllerName === controllerName;
        if (!isOurs(gateway)) return settled;
        const nowMs = clock.now();
        const { generation } = metadata;
        const ours = cached(Gateway).list().filter(isOurs);
        const around = {
          grants: cached(ReferenceGrant).list(),
          secret: (key: string) => cached(Secret).get(key),
          taken: takenPorts(ours),
        };
        const states = spec.listeners.map((listener) => ({
          listener,
          state: listenerStateOf(gateway, listener, around),
        }));
        const listeners = states.map(({ listener, state }): ListenerStatus => {
          const before = status?.listeners?.find(({ name }) => name === listener.name)?.conditions;
          return {
            name: listener.name,
            supportedKinds: kindsOf(listener),
            attachedRoutes: countAttached(gateway, listener, { cached, rivals: rivalsIn(cached) }),
            conditions: conditionsOf(verdictsOf(listener, state), { before, generation, nowMs }),
          };
        });
        const isAnyServed = states.some(({ listener, state }) => isServed(state, listener));
        const wrong = wrongAddress(spec.addresses, addresses);
        await api.updateStatus(gateway, {
          addresses: addresses.map((value) => ({ type: 'IPAddress', value })),
          conditions: conditionsOf(
            {
              Accepted: acceptedOf(states, wrong),
              Programmed: programmedOf(isAnyServed, wrong),
            },
            { before: status?.conditions, generation, nowMs },
          ),
          listeners,
        });
        return settled;
      },
    };
  });

function verdictsOf(listener: Listener, state: ListenerState): Record<string, Verdict> {
  const { accepted, resolvedRefs, conflicted } = state;
  const programmed = isServed(state, listener)
    ? yes('Programmed', 'The listener is served')
    : no('Invalid', 'The listener is not served: see its other conditions');
  const inConflict = conflicted.isTrue ? no(conflicted.reason, conflicted.message) : undefined;
  return {
    Accepted: inConflict ?? accepted,
    Programmed: programmed,
    ResolvedRefs: resolvedRefs,
    Conflicted: conflicted,
  };
}

interface WrongAddress {
  isUnsupported: boolean;
  message: string;
}

/** Of those that the Gateway asks for; undefined: it may have all of them. */
function wrongAddress(asked: readonly GatewayAddress[] = [], own: readonly string[]): WrongAddress | undefined {
  const strange = asked.find(({ type = 'IPAddress' }) => type !== 'IPAddress');
  if (strange) return { isUnsupported: true, message: `Addresses of the type ${strange.type} are not known` };
  const other = asked.find(({ value }) => value && !own.includes(value));
  return other && { isUnsupported: false, message: `The address ${other.value} is not one of this cluster's Gateways` };
}

function acceptedOf(states: readonly { state: ListenerState }[], wrong: WrongAddress | undefined): Verdict {
  if (wrong?.isUnsupported) return no('UnsupportedAddress', wrong.message);
  const good = states.filter(({ state }) => state.accepted.isTrue && !state.conflicted.isTrue);
  if (good.length === states.length) return yes('Accepted', 'The Gateway is accepted');
  const message = 'Some listeners are not valid: see their conditions';
  return good.length > 0 ? yes('ListenersNotValid', message) : no('ListenersNotValid', message);
}

function programmedOf(isAnyServed: boolean, wrong: WrongAddress | undefined): Verdict {
  if (wrong) return no(wrong.isUnsupported ? 'Invalid' : 'AddressNotUsable', wrong.message);
  return isAnyServed
    ? yes('Programmed', 'The Gateway is served')
    : no('Invalid', 'No listener is served: see their conditions');
}

function countAttached(
  gateway: Gateway,
  listener: Listener,
  { cached, rivals }: { cached: Read; rivals: Rivals },
): number {
  const labelsOf = labelsFrom(cached);
  const key = keyOf(gateway);
  const routes = [...rivals.HTTPRoute, ...rivals.GRPCRoute, ...listOf(TLSRoute, cached)];
  return routes.filter((route) =>
    (route.spec.parentRefs ?? []).some((parent) => {
      if (gatewayKeyOf(parent, route) !== key) return false;
      const attachment = acceptedAttachment(route, parent, { gateway, labelsOf, rivals });
      return attachment.isAccepted && attachment.listeners.some((one) => one.listener.name === listener.name);
    }),
  ).length;
}

const listOf = <T extends AnyRoute>(kind: Kind<T>, cached: Read): AnyRoute[] =>
  cached(kind as unknown as Kind<AnyRoute>).list();
export const labelsFrom = (cached: Read) => (name: string) => {
  const found = cached(Namespace).get(name);
  return found && (found.metadata.labels ?? {});
};

const namesSecret = (gateway: Gateway, key: string): boolean =>
  gateway.spec.listeners.some(({ tls }) =>
    tls?.certificateRefs?.some(({ name, namespace = gateway.metadata.namespace }) => `${namespace}/${name}` === key),
  );

/** Its status is nothing to other objects. */
function isOtherwise(now: KubeObject, before: KubeObject): boolean {
  return now.metadata.generation !== before.metadata.generation;
}

export const isLabelledOtherwise = (now: Namespace, before: Namespace): boolean =>
  JSON.stringify(now.metadata.labels) !== JSON.stringify(before.metadata.labels);
