/**
 * What objects of one resource use of a quota. The API server asks before it stores one, the quota controller counts what is
 * there: both go by these rules. Source: documentation, "Resource Quotas"; upstream's pkg/quota/v1/evaluator.
 */
import type { KubeObject } from '#api/machinery/object.ts';
import type { Amounts } from './amounts.ts';
import { claimEvaluator } from './claim-usage.ts';
import { type DeviceSurroundings, deviceClaimEvaluator } from './device-usage.ts';
import { podEvaluator } from './pod-usage.ts';
import type { ScopeSelector } from './scopes.ts';
import { serviceEvaluator } from './service-usage.ts';

/** A write that a quota may have to do with. */
export interface CountedWrite {
  verb: 'create' | 'update';
  subresource: string;
  next: KubeObject;
  /** undefined for a create. */
  current: KubeObject | undefined;
}

export interface QuotaEvaluator {
  /** Whether such a write can change what is used. */
  handles(write: CountedWrite): boolean;
  /** Of the names of a quota, those that this resource can use. */
  isUsed(name: string): boolean;
  matchesScope(object: KubeObject, selector: ScopeSelector): boolean;
  /** That there is one is all that it counts, whatever is in it. */
  countsOnly?: boolean;
  /** Whether scopes mean anything for it: those that need a quota by configuration. */
  hasScopes?: boolean;
  /** Why a quota of these names refuses the object, whatever is left: it does not say what it uses. */
  complaint?(object: KubeObject, names: readonly string[]): string | undefined;
  usage(object: KubeObject, nowMs: number): Amounts;
  /** Whether an update that is not of its status may give something back; without it none does. */
  mayFree?(next: KubeObject, current: KubeObject): boolean;
}

interface Resource {
  group: string;
  plural: string;
}

/** `count/deployments.apps`; the core group has no suffix. */
export const countNameOf = ({ group, plural }: Resource): string =>
  group ? `count/${plural}.${group}` : `count/${plural}`;

/** Counted by a short name since before there were others. */
const ALIASES = ['configmaps', 'resourcequotas', 'replicationcontrollers', 'secrets'];

const objectCount = (resource: Resource): QuotaEvaluator => {
  const names = [
    countNameOf(resource),
    ...(resource.group === '' ? ALIASES.filter((one) => one === resource.plural) : []),
  ];
  return {
    countsOnly: true,
    handles: ({ verb, subresource }) => verb === 'create' && subresource === '',
    isUsed: (name) => names.includes(name),
    matchesScope: () => false,
    usage: () => Object.fromEntries(names.map((name) => [name, '1'])),
  };
};

/** For any resource, also for one that is defined while running. `devices`: for claims of devices. */
export function evaluatorOf(resource: Resource, devices?: DeviceSurroundings): QuotaEvaluator {
  const { group, plural } = resource;
  if (group === '' && plural === 'pods') return podEvaluator;
  if (group === '' && plural === 'services') return serviceEvaluator;
  if (group === '' && plural === 'persistentvolumeclaims') return claimEvaluator;
  if (group === 'resource.k8s.io' && plural === 'resourceclaims') return deviceClaimEvaluator(devices);
  return objectCount(resource);
}
