/** What Gateways and their routes become: for each port its listeners, with routes of the same form as those of Ingresses. */

import { gatewayKeyOf } from '#api/gateway/v1/attachment.ts';
import type { Gateway, Listener } from '#api/gateway/v1/gateway.ts';
import type { GRPCRoute } from '#api/gateway/v1/grpc-route.ts';
import type { HTTPRoute } from '#api/gateway/v1/http-route.ts';
import { isServed, type ListenerState, listenerStateOf } from '#api/gateway/v1/listener-state.ts';
import type { ReferenceGrant } from '#api/gateway/v1/reference-grant.ts';
import type { AnyRoute } from '#api/gateway/v1/route.ts';
import { acceptedAttachment, type Rivals } from '#api/gateway/v1/route-conflict.ts';
import { byAge, takenPorts } from '#api/gateway/v1/taken-ports.ts';
import type { TLSRoute } from '#api/gateway/v1/tls-route.ts';
import type { Secret, Service } from '#api/generated/schema.ts';
import { keyOf } from '#api/machinery/object.ts';
import { alone, type Blame, blameByThrowing } from '#network/ingress/blame.ts';
import type { ListenerRoutes, PortListeners } from '#network/ingress/listeners.ts';
import type { Route } from '#network/ingress/route-table.ts';
import { byPrecedence, compiledRoutes, weighted } from './compiled-route.ts';

export interface GatewaysAround {
  /** Those of our class. */
  gateways: readonly Gateway[];
  routes: readonly AnyRoute[];
  grants: readonly ReferenceGrant[];
  labelsOf(namespace: string): Readonly<Record<string, string>> | undefined;
  service(key: string): Service | undefined;
  /** undefined: not there, or not known yet. */
  secret(key: string): Secret | undefined;
  /** Absent: what fails fails all. */
  blame?: Blame;
}

export interface GatewayTable {
  ports: Map<number, PortListeners>;
  /** `namespace/name` of all Secrets that listeners may show: those that are not there are waited for. */
  certificates: Set<string>;
}

/** Anything with the looks of a certificate: whether there is one is asked when it is known. */
const SOME_SECRET = { data: { 'tls.crt': 'LS0tLS1CRUdJTi', 'tls.key': 'LS0tLS1CRUdJTi' } } as unknown as Secret;

/** Of two Gateways that want the same port and hostname, the older has it together with the younger: their routes are told apart by age. */
export function gatewayTableOf(around: GatewaysAround): GatewayTable {
  const table: GatewayTable = { ports: new Map(), certificates: new Set() };
  const { blame = blameByThrowing } = around;
  const isReadable = (gateway: Gateway) => alone(gateway, blame, () => takenPorts([gateway]) !== undefined, false);
  const gateways = around.gateways.filter(isReadable).toSorted(byAge);
  const routes = around.routes.toSorted(byAge);
  const taken = takenPorts(gateways);
  const rivals = rivalsIn(routes);
  const put = (gateway: Gateway) => {
    for (const listener of gateway.spec.listeners) {
      const wanted = listenerStateOf(gateway, listener, { ...around, taken, secret: () => SOME_SECRET });
      for (const key of wanted.certificates) table.certificates.add(key);
      const state = listenerStateOf(gateway, listener, { ...around, taken });
      if (!isServed(state, listener)) continue;
      const at = placeFor(table.ports, listener, state);
      if (!at) continue;
      for (const route of routes)
        alone(route, blame, () => attach(route, { gateway, listener, at, rivals }, around), undefined);
    }
  };
  for (const gateway of gateways) alone(gateway, blame, put, undefined);
  for (const port of table.ports.values()) complete(port);
  return table;
}

function complete(port: PortListeners): void {
  for (const { hosts, passthrough } of port.listeners.values()) {
    port.hasPassthrough ||= passthrough.size > 0;
    for (const { routes } of hosts.values()) {
      routes.sort(byPrecedence);
      port.speaksHttp2 ||= routes.some(({ options }) => options.backendProtocol.startsWith('grpc'));
    }
  }
}

/** undefined: the port speaks otherwise already. */
function placeFor(
  ports: Map<number, PortListeners>,
  { port, protocol, hostname = '' }: Listener,
  { certificates }: ListenerState,
): ListenerRoutes | undefined {
  const isTls = protocol !== 'HTTP';
  const known = ports.get(port) ?? { isTls, speaksHttp2: false, hasPassthrough: false, listeners: new Map() };
  if (known.isTls !== isTls) return undefined;
  ports.set(port, known);
  const name = hostname.toLowerCase();
  const at = known.listeners.get(name) ?? { hosts: new Map(), certificates: [], passthrough: new Map() };
  at.certificates.push(...certificates.filter((key) => !at.certificates.includes(key)));
  known.listeners.set(name, at);
  return at;
}

interface Place {
  gateway: Gateway;
  listener: Listener;
  at: ListenerRoutes;
  rivals: Rivals;
}

const rivalsIn = (routes: readonly AnyRoute[]): Rivals => ({
  HTTPRoute: routes.filter(({ kind }) => kind === 'HTTPRoute'),
  GRPCRoute: routes.filter(({ kind }) => kind === 'GRPCRoute'),
});

function attach(route: AnyRoute, place: Place, around: GatewaysAround): void {
  const { at, listener } = place;
  const hostnames = hostnamesAt(route, place, around);
  if (hostnames.size === 0) return;
  if (route.kind === 'TLSRoute') {
    const { rules } = (route as TLSRoute).spec;
    const terminates = listener.tls?.mode !== 'Passthrough';
    const split = rules.flatMap(({ backendRefs }) => backendRefs.map((ref) => weighted(route, ref, around).backend));
    for (const host of hostnames)
      if (!at.passthrough.has(host)) at.passthrough.set(host, { owner: `TLSRoute ${keyOf(route)}`, terminates, split });
    return;
  }
  const compiled = compiledOnce(route as HTTPRoute | GRPCRoute, around);
  for (const host of hostnames) {
    const found = at.hosts.get(host) ?? { routes: [] };
    found.routes.push(...compiled);
    at.hosts.set(host, found);
  }
}

function hostnamesAt(
  route: AnyRoute,
  { listener, gateway, rivals }: Place,
  { labelsOf }: Pick<GatewaysAround, 'labelsOf'>,
): Set<string> {
  const mine = (route.spec.parentRefs ?? []).filter((parent) => gatewayKeyOf(parent, route) === keyOf(gateway));
  return new Set(
    mine.flatMap((parent) => {
      const attachment = acceptedAttachment(route, parent, { gateway, labelsOf, rivals });
      if (!attachment.isAccepted) return [];
      return attachment.listeners.flatMap((one) => (one.listener.name === listener.name ? one.hostnames : []));
    }),
  );
}

/** One route may hang on many listeners: it is compiled once for each state of the objects around it. */
const known = new WeakMap<GatewaysAround, Map<AnyRoute, Route[]>>();

function compiledOnce(route: HTTPRoute | GRPCRoute, around: GatewaysAround): Route[] {
  const all = known.get(around) ?? new Map<AnyRoute, Route[]>();
  known.set(around, all);
  let compiled = all.get(route);
  if (!compiled) {
    compiled = compiledRoutes(route, around);
    all.set(route, compiled);
  }
  return compiled;
}
