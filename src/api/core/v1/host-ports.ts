/** The ports of a node that pods take for themselves: each can be had once for each address and protocol. */
import type { Container, Pod } from '#api/generated/schema.ts';
import { isRestartableInit } from './pod-conditions.ts';

export interface HostPort {
  ip: string;
  protocol: string;
  port: number;
}

const NONE: readonly HostPort[] = [];
const ALL = new Set(['0.0.0.0', '::']);

export function hostPortsOf({ spec }: Pod): readonly HostPort[] {
  if (!takesAny(spec.containers) && !takesAny(spec.initContainers)) return NONE;
  const sidecars = (spec.initContainers ?? []).filter(isRestartableInit);
  const ports = [...spec.containers, ...sidecars].flatMap((container) => container.ports ?? []);
  const used = ports.flatMap(({ hostPort, hostIP, protocol }) =>
    hostPort ? [{ ip: hostIP || '0.0.0.0', protocol, port: hostPort }] : [],
  );
  return used.length > 0 ? used : NONE;
}

/** Asked for every pod that comes and goes; hardly one does. */
function takesAny(containers: readonly Container[] | undefined): boolean {
  if (!containers) return false;
  for (const { ports } of containers) if (ports) for (const { hostPort } of ports) if (hostPort) return true;
  return false;
}

export const collide = (a: HostPort, b: HostPort): boolean =>
  a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || ALL.has(a.ip) || ALL.has(b.ip));
