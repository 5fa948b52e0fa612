/**
 * What a machine needs to be a node of a cluster elsewhere, in one file: who it is, where the API server is, which addresses
 * are whose, and its credentials. Written by the cluster's supervisor, read by `kedge agent`.
 */
import { readFile, stat } from 'node:fs/promises';
import { isIPv4 } from 'node:net';
import { parseCidr } from '#api/machinery/ip.ts';
import { type ClusterSettings, checkedClusterName } from '#node/machine/cluster-dir.ts';
import type { SlotPlan } from '#node/machine/slots.ts';
import { CREDENTIAL_FILES, type NodeCredentials } from '../supervisor/node-credentials.ts';

/** Raised when what is written here changes so that an older Kedge would misread it. */
const FORMAT_VERSION = 1;
const MOST_BYTES = 256 * 1024;

export interface Invitation {
  cluster: string;
  node: { name: string; index: number; address: string };
  /** `https://192.0.2.1:6443` */
  server: string;
  /** The control plane's machine, as this node reaches it: nodes and pods on it are behind this address. */
  gateway: string;
  /** The cluster's addresses. */
  plan: SlotPlan;
  settings: ClusterSettings;
  credentials: NodeCredentials;
}

export class BadInvitation extends Error {
  readonly code = 'BadInvitation';
}

export const written = (invitation: Invitation): object => ({ formatVersion: FORMAT_VERSION, ...invitation });

/** Throws BadInvitation, with what is wrong in it. */
export async function readInvitation(path: string): Promise<Invitation> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) throw new BadInvitation(`there is no file ${path}`);
  if (found.size > MOST_BYTES) throw new BadInvitation(`${path} is too large for an invitation`);
  try {
    return invitationFrom(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    if (error instanceof BadInvitation) throw new BadInvitation(`${path}: ${error.message}`);
    if (error instanceof SyntaxError) throw new BadInvitation(`${path} is not JSON`);
    throw error;
  }
}

/** Everything that becomes a path, an argument or a rule is looked at. */
export function invitationFrom(value: unknown): Invitation {
  const { formatVersion, ...rest } = (value ?? {}) as { formatVersion?: unknown } & Partial<Invitation>;
  if (formatVersion !== FORMAT_VERSION) {
    throw new BadInvitation(`it is of format ${formatVersion}, this kedge reads format ${FORMAT_VERSION}`);
  }
  const { node, plan, credentials, gateway, server, cluster } = rest;
  must('cluster', isName(cluster));
  must('node.name', isName(node?.name));
  must('node.index', Number.isInteger(node?.index));
  must('node.address', isAddress(node?.address));
  must('gateway', isAddress(gateway));
  must('server', typeof server === 'string' && /^https:\/\/[^/]+$/.test(server));
  for (const field of ['nodeRanges', 'podRanges', 'serviceRanges'] as const) {
    must(`plan.${field}`, isListOf(plan?.[field], isRange));
  }
  must('plan.dnsAddresses', isListOf(plan?.dnsAddresses, isAddress));
  for (const file of CREDENTIAL_FILES) must(`credentials.${file}`, typeof credentials?.[file] === 'string');
  return { settings: {}, ...rest } as Invitation;
}

function must(field: string, holds: boolean): void {
  if (!holds) throw new BadInvitation(`"${field}" is missing or not what it should be`);
}

function isName(value: unknown): boolean {
  try {
    return checkedClusterName(String(value)) === value;
  } catch {
    return false; // its words are for a name that somebody typed
  }
}

const isAddress = (value: unknown): boolean => typeof value === 'string' && isIPv4(value);
const isRange = (value: unknown): boolean => typeof value === 'string' && parseCidr(value) !== undefined;
const isListOf = (value: unknown, check: (one: unknown) => boolean): boolean =>
  Array.isArray(value) && value.length > 0 && value.every(check);
