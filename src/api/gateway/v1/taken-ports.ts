/** What is taken of the ports that all Gateways share with Ingresses and with one another: the older Gateway has it. Source: Gateway API reference, ListenerConditionReason. */
import type { KubeObject } from '#api/machinery/object.ts';
import { KINDS_OF_PROTOCOL } from './attachment.ts';
import type { Gateway, Listener } from './gateway.ts';
import { conflictOf, isSecure } from './listener-conflict.ts';

export interface Taken {
  /** By another Gateway; else the port is not to be had that way at all. */
  isConflict: boolean;
  reason: 'PortUnavailable' | 'ProtocolConflict' | 'HostnameConflict';
  message: string;
}

/** Ingresses are there: 80 never speaks TLS, and 443 always does. */
const HTTP_PORT = 80;
const HTTPS_PORT = 443;

interface Claims {
  isSecure: boolean;
  /** By hostname: whether HTTP is spoken, TLS ends, or connections go through as they are. */
  modes: Map<string, string>;
}

/** @param gateways those that are served here. @returns by listener: the very objects of their specs. */
export function takenPorts(gateways: readonly Gateway[]): ReadonlyMap<Listener, Taken> {
  const taken = new Map<Listener, Taken>();
  const claims = new Map<number, Claims>();
  for (const gateway of gateways.toSorted(byAge)) {
    for (const listener of gateway.spec.listeners) {
      if (!KINDS_OF_PROTOCOL.has(listener.protocol) || conflictOf(gateway, listener)) continue;
      const found = claimed(listener, claims);
      if (found) taken.set(listener, found);
    }
  }
  return taken;
}

/** undefined: it is its own from here on. */
function claimed(listener: Listener, claims: Map<number, Claims>): Taken | undefined {
  const { port, hostname = '', protocol, tls } = listener;
  const secure = isSecure(listener);
  if (port === (secure ? HTTP_PORT : HTTPS_PORT)) {
    const message = `The port ${port} speaks ${secure ? 'HTTP' : 'TLS'} for all Gateways and Ingresses`;
    return { isConflict: false, reason: 'PortUnavailable', message };
  }
  const known = claims.get(port) ?? { isSecure: secure, modes: new Map<string, string>() };
  if (known.isSecure !== secure) {
    const message = `An older Gateway has the port ${port} with a protocol that excludes this one`;
    return { isConflict: true, reason: 'ProtocolConflict', message };
  }
  const mode = tls?.mode === 'Passthrough' ? tls.mode : protocol;
  const name = hostname.toLowerCase();
  if ((known.modes.get(name) ?? mode) !== mode) {
    const message = `An older Gateway has this hostname at the port ${port} with another TLS mode`;
    return { isConflict: true, reason: 'HostnameConflict', message };
  }
  known.modes.set(name, mode);
  claims.set(port, known);
  return undefined;
}

export const byAge = ({ metadata: a }: KubeObject, { metadata: b }: KubeObject): number =>
  (a.creationTimestamp ?? '').localeCompare(b.creationTimestamp ?? '') ||
  `${a.namespace}/${a.name}`.localeCompare(`${b.namespace}/${b.name}`);
