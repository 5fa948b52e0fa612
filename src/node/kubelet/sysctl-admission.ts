/** Which kernel parameters a pod may set: safe ones, and those that the node's owner allows. Source: "Using sysctls". */
import type { Pod } from '#api/generated/schema.ts';
import type { Refusal } from './pod-admission.ts';

const SAFE: ReadonlySet<string> = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ping_group_range',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_wmem',
]);
/** Of these every namespace has its own. */
const IPC = /^(kernel\.(shm|msg|sem)|fs\.mqueue\.)/;

/** @param allowed names, or beginnings of names that end in `*` */
export function sysctlRefusal({ spec }: Pod, allowed: readonly string[]): Refusal | undefined {
  const forbidden = (why: string): Refusal => ({ reason: 'SysctlForbidden', message: `forbidden sysctl: ${why}` });
  for (const { name } of spec.securityContext?.sysctls ?? []) {
    const text = JSON.stringify(name);
    const isAllowed =
      SAFE.has(name) ||
      allowed.some((each) => (each.endsWith('*') ? name.startsWith(each.slice(0, -1)) : name === each));
    if (!isAllowed) return forbidden(`${text} not allowlisted`);
    if (name.startsWith('net.') && spec.hostNetwork) return forbidden(`${text} not allowed with host net enabled`);
    if (IPC.test(name) && spec.hostIPC) return forbidden(`${text} not allowed with host ipc enabled`);
  }
  return undefined;
}
