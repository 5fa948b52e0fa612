/** Which listeners a route hangs on, and under which hostnames. Source: Gateway API reference, ParentReference, AllowedRoutes, Hostname. */
import type { LabelSelector } from '#api/generated/schema.ts';
import { matchesLabels, selectorFrom } from '#api/machinery/label-selector.ts';
import type { Gateway, Listener, RouteKind } from './gateway.ts';
import type { AnyRoute, ParentReference } from './route.ts';
import { GROUP } from './schema-parts.ts';

export interface AttachedListener {
  listener: Listener;
  /** In lower case; '' for any. */
  hostnames: string[];
}

export type Attachment =
  | { isAccepted: true; listeners: AttachedListener[] }
  | { isAccepted: false; reason: RefusalReason; message: string };

export type RefusalReason =
  | 'NoMatchingParent'
  | 'NotAllowedByListeners'
  | 'NoMatchingListenerHostname'
  | 'HostnameConflict';

/** `namespace/name` of the Gateway; undefined: it is something else. */
export function gatewayKeyOf({ group, kind, namespace, name }: ParentReference, route: AnyRoute): string | undefined {
  if ((group ?? GROUP) !== GROUP || (kind ?? 'Gateway') !== 'Gateway') return undefined;
  return `${namespace ?? route.metadata.namespace}/${name}`;
}

/** By protocol: those that are known. A protocol is any text that somebody wrote, `constructor` too. */
export const KINDS_OF_PROTOCOL: ReadonlyMap<string, readonly string[]> = new Map([
  ['HTTP', ['HTTPRoute', 'GRPCRoute']],
  ['HTTPS', ['HTTPRoute', 'GRPCRoute']],
  ['TLS', ['TLSRoute']],
]);

/** Those that it may have, of those that we know. */
export function kindsOf({ protocol, allowedRoutes }: Listener): RouteKind[] {
  const known = KINDS_OF_PROTOCOL.get(protocol) ?? [];
  const wanted = allowedRoutes?.kinds?.length
    ? known.filter((kind) => allowedRoutes.kinds?.some((one) => isOfGroup(one) && one.kind === kind))
    : known;
  return wanted.map((kind) => ({ group: GROUP, kind }));
}

export const isOfGroup = ({ group }: RouteKind): boolean => (group ?? GROUP) === GROUP;

/** @param labelsOf of a namespace; undefined: it is not there. */
export function attachmentOf(
  route: AnyRoute,
  parent: ParentReference,
  {
    gateway,
    labelsOf,
  }: { gateway: Gateway; labelsOf(namespace: string): Readonly<Record<string, string>> | undefined },
): Attachment {
  const named = gateway.spec.listeners.filter(
    ({ name, port }) => (!parent.sectionName || parent.sectionName === name) && (!parent.port || parent.port === port),
  );
  if (named.length === 0)
    return refused('NoMatchingParent', 'No listener of the Gateway has the section name and port of the reference');
  const allowing = named.filter(
    (listener) =>
      kindsOf(listener).some(({ kind }) => kind === route.kind) &&
      isNamespaceAllowed(listener, route, gateway, labelsOf),
  );
  if (allowing.length === 0)
    return refused('NotAllowedByListeners', 'No listener allows routes of this kind and namespace');
  const listeners = allowing.flatMap((listener) => {
    const hostnames = commonHostnames(route.spec.hostnames ?? [], listener.hostname);
    return hostnames.length > 0 ? [{ listener, hostnames }] : [];
  });
  if (listeners.length === 0)
    return refused('NoMatchingListenerHostname', 'No hostname of the route is one of a listener');
  return { isAccepted: true, listeners };
}

const refused = (reason: RefusalReason, message: string): Attachment => ({ isAccepted: false, reason, message });

function isNamespaceAllowed(
  { allowedRoutes }: Listener,
  route: AnyRoute,
  gateway: Gateway,
  labelsOf: (namespace: string) => Readonly<Record<string, string>> | undefined,
): boolean {
  const { from = 'Same', selector } = allowedRoutes?.namespaces ?? {};
  const namespace = route.metadata.namespace ?? '';
  if (from === 'All') return true;
  if (from === 'Same') return namespace === gateway.metadata.namespace;
  const labels = labelsOf(namespace);
  return labels !== undefined && selector !== undefined && selects(selector, labels);
}

const selects = (selector: LabelSelector, labels: Readonly<Record<string, string>>): boolean =>
  matchesLabels(selectorFrom(selector), labels);

/** What both have: the more specific of two where one covers the other. Empty: nothing. */
export function commonHostnames(ofRoute: readonly string[], ofListener: string | undefined): string[] {
  const listener = ofListener?.toLowerCase();
  if (!listener) return ofRoute.length > 0 ? ofRoute.map((name) => name.toLowerCase()) : [''];
  if (ofRoute.length === 0) return [listener];
  return ofRoute.flatMap((name) => {
    const host = name.toLowerCase();
    if (host === listener || covers(listener, host)) return [host];
    return covers(host, listener) ? [listener] : [];
  });
}

/** `*.example.com` covers any number of labels, also another wildcard that is longer. */
const covers = (wildcard: string, name: string): boolean =>
  wildcard.startsWith('*.') &&
  name.length > wildcard.length - 1 &&
  name.replace(/^\*/, '').endsWith(wildcard.slice(1)) &&
  name !== wildcard;
