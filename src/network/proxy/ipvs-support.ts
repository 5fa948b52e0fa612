/** Whether this kernel can be asked for the mode `ipvs`. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const LISTING = '/proc/net/ip_vs';
const LONGEST_MS = 10_000;

/** Where it is a module, that is loaded, as upstream does: only then the kernel tells. */
export function hasIpvs(): boolean {
  if (!existsSync(LISTING)) spawnSync('modprobe', ['--', 'ip_vs'], { stdio: 'ignore', timeout: LONGEST_MS });
  return existsSync(LISTING);
}

/** Of TEST-NET-2 (RFC 5737): nobody's. */
const NOWHERE = ['-t', '198.51.100.0:20000'];
/** The kernel's limit is 15 characters. */
const SCHEDULER_NAME = /^[a-z][a-z0-9_]{0,14}$/;

/** Whether the kernel has a scheduler, or can load it. Only the kernel knows: it is asked as upstream does, for a virtual server. */
export function hasScheduler(name: string): boolean {
  const isDone = (...args: string[]) =>
    spawnSync('ipvsadm', args, { stdio: 'ignore', timeout: LONGEST_MS }).status === 0;
  if (!SCHEDULER_NAME.test(name)) return false;
  isDone('-D', ...NOWHERE); // somebody may have been killed who had asked
  return isDone('-A', ...NOWHERE, '-s', name) && isDone('-D', ...NOWHERE);
}

/** What kube-proxy says of the mode. Source: kube-proxy v1.36, `createProxier`. */
export const IPVS_DEPRECATED =
  "The ipvs proxier is now deprecated and may be removed in a future release. Please use 'nftables' instead.";
