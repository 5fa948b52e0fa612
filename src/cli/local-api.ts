/** The cluster's API as the CLI uses it: with the owner's kubeconfig, and no more than it needs. */
import type { KubeObject } from '#api/machinery/object.ts';
import { StatusError } from '#api/machinery/status.ts';
import { type Clock, sleep } from '#base/clock.ts';
import { transportFromKubeconfig } from '#client/transport/kubeconfig.ts';
import { type Transport, Unreachable } from '#client/transport.ts';
import { UserError } from './context.ts';

export interface WaitOptions {
  clock: Clock;
  timeoutMs: number;
  signal?: AbortSignal;
  /** Told with every look; throws to give up early. */
  meanwhile?: () => void;
}

const LOOK_EVERY_MS = 50;

export const localApi = (kubeconfig: string, clock: Clock): Transport =>
  transportFromKubeconfig(kubeconfig, { clock, userAgent: 'kedge-cli' });

/** Looks again and again until `look` gives something. Not being reachable counts as not yet. */
export async function until<T>(what: string, look: () => Promise<T | undefined>, options: WaitOptions): Promise<T> {
  const { clock, timeoutMs, signal, meanwhile } = options;
  const deadlineMs = clock.monotonicMs() + timeoutMs;
  let last: unknown;
  do {
    meanwhile?.();
    try {
      const found = await look();
      if (found !== undefined) return found;
    } catch (error) {
      if (!isPassing(error)) throw error;
      last = error;
    }
    await sleep(clock, LOOK_EVERY_MS, signal);
  } while (clock.monotonicMs() < deadlineMs);
  const because = last instanceof Error ? `: ${last.message}` : '';
  throw new UserError(`${what} not within ${timeoutMs / 1000} s${because}`);
}

/** A server that only starts refuses, or answers 503. */
const isPassing = (error: unknown): boolean =>
  error instanceof Unreachable || (error instanceof StatusError && error.code >= 500);

export async function getObject<T extends KubeObject>(api: Transport, path: string): Promise<T | undefined> {
  try {
    return (await api.request({ method: 'GET', path })).object as T;
  } catch (error) {
    if (error instanceof StatusError && error.code === 404) return undefined;
    throw error;
  }
}

export async function listObjects<T extends KubeObject>(api: Transport, path: string): Promise<T[]> {
  return ((await api.request({ method: 'GET', path })).object as { items: T[] }).items;
}

export interface NodeObject extends KubeObject {
  status?: {
    addresses?: { type: string; address: string }[];
    conditions?: { type: string; status: string; message?: string }[];
  };
}

export const isReadyNode = ({ status }: NodeObject): boolean =>
  status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false;
