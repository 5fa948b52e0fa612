/** Listeners of one Gateway that exclude one another. Source: Gateway API reference, ListenerConditionReason. */
import { KINDS_OF_PROTOCOL } from './attachment.ts';
import type { Gateway, Listener } from './gateway.ts';

export interface Conflict {
  reason: 'ProtocolConflict' | 'HostnameConflict';
  message: string;
}

export const isSecure = ({ protocol }: Listener): boolean => protocol === 'HTTPS' || protocol === 'TLS';

/** Two cannot have the same port and hostname, nor speak differently at one port. One of a protocol that nobody knows takes nothing. */
export function conflictOf({ spec }: Gateway, listener: Listener): Conflict | undefined {
  const { name, port, hostname = '' } = listener;
  const others = spec.listeners.filter(
    (one) => one.name !== name && one.port === port && KINDS_OF_PROTOCOL.has(one.protocol),
  );
  if (others.some((other) => isSecure(other) !== isSecure(listener)))
    return {
      reason: 'ProtocolConflict',
      message: `Listeners with port ${port} have protocols that exclude one another`,
    };
  if (others.some((other) => (other.hostname ?? '') === hostname))
    return { reason: 'HostnameConflict', message: `Several listeners with port ${port} have the same hostname` };
  return undefined;
}
