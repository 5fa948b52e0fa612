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

/** What kube-proxy says of the mode. Source: kube-proxy v1.36, `createProxier`. */
export const IPVS_DEPRECATED =
  "The ipvs proxier is now deprecated and may be removed in a future release. Please use 'nftables' instead.";
