/**
 * HTTPRoutes and GRPCRoutes cannot share a hostname of a listener: of two the older has it there. Source: Gateway API reference,
 * GRPCRoute.
 */
import { keyOf } from '#api/machinery/object.ts';
import { type AttachedListener, type Attachment, attachmentOf, gatewayKeyOf } from './attachment.ts';
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
  const rivalKind = RIVALS[route.kind];
  if (!attachment.isAccepted || !rivalKind || around.rivals[rivalKind].length === 0) return attachment;
  const lost = lossesAt(around).get(idOf(route));
  if (!lost) return attachment;
  const listeners = attachment.listeners.filter(({ listener }) => !lost.has(listener.name));
  if (listeners.length > 0) return { isAccepted: true, listeners };
  return {
    isAccepted: false,
    reason: 'HostnameConflict',
    message: `An older ${rivalKind} has a hostname of this route`,
  };
}

const RIVALS: Readonly<Record<string, keyof Rivals>> = Object.assign(Object.create(null), {
  HTTPRoute: 'GRPCRoute',
  GRPCRoute: 'HTTPRoute',
});
const idOf = (route: AnyRoute): string => `${route.kind} ${keyOf(route)}`;

/** By route, the names of listeners where it lost. */
type Losses = ReadonlyMap<string, ReadonlySet<string>>;

/** Reckoned once for each state of all routes: a tenant may have thousands. */
const known = new WeakMap<Rivals, WeakMap<Gateway, Losses>>();

function lossesAt(around: AroundRoute): Losses {
  const ofGateways = known.get(around.rivals) ?? new WeakMap<Gateway, Losses>();
  known.set(around.rivals, ofGateways);
  const losses = ofGateways.get(around.gateway) ?? newLossesAt(around);
  ofGateways.set(around.gateway, losses);
  return losses;
}

/** The oldest first. One that has lost itself takes nothing from anybody. */
function newLossesAt(around: AroundRoute): Losses {
  const { HTTPRoute, GRPCRoute } = around.rivals;
  const attached = [...HTTPRoute, ...GRPCRoute].flatMap((route) => {
    const listeners = listenersOf(route, around);
    return listeners.length > 0 ? [{ route, listeners }] : [];
  });
  const losses = new Map<string, Set<string>>();
  const taken = new Map<string, Hostnames>();
  const takenBy = (kind: string, listener: string): Hostnames => {
    const place = `${kind} ${listener}`;
    const found = taken.get(place) ?? new Hostnames();
    taken.set(place, found);
    return found;
  };
  for (const { route, listeners } of attached.toSorted((a, b) => byAge(a.route, b.route))) {
    const lost = new Set<string>();
    for (const { listener, hostnames } of listeners) {
      if (takenBy(RIVALS[route.kind] ?? '', listener.name).haveOneOf(hostnames)) lost.add(listener.name);
      else takenBy(route.kind, listener.name).add(hostnames);
    }
    if (lost.size > 0) losses.set(idOf(route), lost);
  }
  return losses;
}

function listenersOf(route: AnyRoute, around: AroundRoute): AttachedListener[] {
  return (route.spec.parentRefs ?? []).flatMap((parent) => {
    if (gatewayKeyOf(parent, route) !== keyOf(around.gateway)) return [];
    const attachment = attachmentOf(route, parent, around);
    return attachment.isAccepted ? attachment.listeners : [];
  });
}

/** Names, wildcards, and '' for any. */
class Hostnames {
  readonly #names = new Set<string>();
  /** Wildcards that cover one of the names. */
  readonly #covering = new Set<string>();

  add(hostnames: readonly string[]): void {
    for (const name of hostnames) {
      this.#names.add(name);
      for (const wildcard of wildcardsOver(name)) this.#covering.add(wildcard);
    }
  }

  /** Whether a request may have one of these names and one of those. */
  haveOneOf(hostnames: readonly string[]): boolean {
    if (this.#names.size === 0) return false;
    return (
      this.#names.has('') ||
      hostnames.some(
        (name) =>
          name === '' ||
          this.#names.has(name) ||
          this.#covering.has(name) ||
          wildcardsOver(name).some((wildcard) => this.#names.has(wildcard)),
      )
    );
  }
}

/** `*.b.c` and `*.c` for `a.b.c`. */
function wildcardsOver(name: string): string[] {
  const found: string[] = [];
  for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) found.push(`*${name.slice(dot)}`);
  return found;
}
