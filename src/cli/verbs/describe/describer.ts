/** What a describer is given: a report to write, and the rest of the cluster to look at. */
import type { Event } from '#api/generated/schema.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { pathOf } from '../served-resources.ts';
import type { VerbCall } from '../verb.ts';
import type { Report } from './report.ts';

export interface DescribeContext {
  call: VerbCall;
  /** Absent where events are not wanted. */
  events: ((object: KubeObject, options?: { kind?: string; uid?: string }) => Promise<Event[]>) | undefined;
  nowMs: number;
}

export interface Describer<T> {
  /** `Pod`, `Deployment.apps`. */
  kind: string;
  describe(report: Report, object: T, context: DescribeContext): Promise<void> | void;
}

/** For the list: a describer of an object whose type the list does not know. */
export type AnyDescriber = Describer<never>;

export async function listed<T>(
  { call }: DescribeContext,
  type: string,
  { namespace, ...query }: { namespace?: string | undefined; labelSelector?: string; fieldSelector?: string } = {},
): Promise<T[]> {
  const resource = (await call.cluster.resources()).named(type);
  return (await call.cluster.get<{ items: T[] }>(pathOf(resource, { namespace, query }))).items;
}

export async function fetched<T>(
  { call }: DescribeContext,
  type: string,
  { namespace, name }: { namespace?: string; name: string },
): Promise<T> {
  const resource = (await call.cluster.resources()).named(type);
  return call.cluster.get<T>(pathOf(resource, { namespace, name }));
}

/** The controller among the owners, as `Kind/name`. */
export function controllerOf({ metadata }: KubeObject): string {
  const owner = metadata.ownerReferences?.find(({ controller }) => controller);
  return owner ? `${owner.kind}/${owner.name}` : '';
}
