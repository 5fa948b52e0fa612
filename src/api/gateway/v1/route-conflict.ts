/**
 * HTTPRoutes and GRPCRoutes cannot share a hostname of a listener: of two the older has it there. Source: Gateway API reference,
 * GRPCRoute.
 */
import { keyOf } from '#api/machinery/object.ts';
import { type AttachedListener, type Attachment, attachmentOf, covers, gatewayKeyOf } from './attachment.ts';
import type { Gateway } from './gateway.ts';
import type { AnyRoute, ParentReference } from './route.ts';
import { byAge } from './taken-ports.ts';

export interface AroundRoute {
  gateway: Gateway;
  labelsOf(namespace: string): Readonly<Record<string, string>> | undefined;
  /** All HTTPRoutes and GRPCRoutes, by kind. */
  rivals: Rivals;
}

export type Rivals = Readonly<Record<'HTTPRoute' | 'GRPCRoute', readonly AnyRoute[]>>;

/** As `attachmentOf`, without what a rival has. */
export function acceptedAttachment(route: AnyRoute, parent: ParentReference, around: AroundRoute): Attachment {
  const attachment = attachmentOf(route, parent, around);
  if (!attachment.isAccepted || rivalsOf(route, around.rivals).length === 0) return attachment;
  const known = new Map<AnyRoute, Map<string, boolean>>();
  const listeners = attachment.listeners.filter((at) => !isLost(route, at, around, known));
  if (listeners.length > 0) return { isAccepted: true, listeners };
  const kind = rivalKind(route) ?? '';
  return { isAccepted: false, reason: 'HostnameConflict', message: `An older ${kind} has a hostname of this route` };
}

const rivalKind = ({ kind }: AnyRoute): keyof Rivals | undefined =>
  kind === 'HTTPRoute' ? 'GRPCRoute' : kind === 'GRPCRoute' ? 'HTTPRoute' : undefined;
const rivalsOf = (route: AnyRoute, rivals: Rivals): readonly AnyRoute[] => {
  const kind = rivalKind(route);
  return kind ? rivals[kind] : [];
};

/** By age: so that it ends. One that has lost itself takes nothing from anybody. */
function isLost(
  route: AnyRoute,
  at: AttachedListener,
  around: AroundRoute,
  known: Map<AnyRoute, Map<string, boolean>>,
): boolean {
  const name = at.listener.name;
  const found = known.get(route)?.get(name);
  if (found !== undefined) return found;
  const lost = rivalsOf(route, around.rivals).some((rival) => {
    if (byAge(rival, route) >= 0) return false;
    const there = listenersOf(rival, around).find(({ listener }) => listener.name === name);
    return there !== undefined && haveCommon(there.hostnames, at.hostnames) && !isLost(rival, there, around, known);
  });
  known.set(route, (known.get(route) ?? new Map<string, boolean>()).set(name, lost));
  return lost;
}

function listenersOf(route: AnyRoute, around: AroundRoute): AttachedListener[] {
  return (route.spec.parentRefs ?? []).flatMap((parent) => {
    if (gatewayKeyOf(parent, route) !== keyOf(around.gateway)) return [];
    const attachment = attachmentOf(route, parent, around);
    return attachment.isAccepted ? attachment.listeners : [];
  });
}

const haveCommon = (some: readonly string[], others: readonly string[]): boolean =>
  some.some((one) =>
    others.some((other) => one === other || one === '' || other === '' || covers(one, other) || covers(other, one)),
  );
