/** What claims ask for, put in one form; what cannot be asked for so is said. Source: API reference, DeviceRequest. */
import type { AllocationResult, DeviceRequest, DeviceSelector, DeviceToleration } from '#api/generated/schema.ts';
import type { DeviceClass } from '#api/resource/v1/device-class.ts';
import type { ResourceClaim } from '#api/resource/v1/resource-claim.ts';
import { type Constraint, constraintOf, fullNameOf, type RequestName } from './device-constraints.ts';
import { AllocationFailed } from './device-selectors.ts';

/** One way in which a request can be met. */
export interface Alternative {
  name: RequestName;
  class: DeviceClass;
  selectors: readonly DeviceSelector[];
  tolerations: readonly DeviceToleration[] | undefined;
  capacity: Readonly<Record<string, string>> | undefined;
  /** undefined: all that match. */
  count: number | undefined;
  adminAccess: boolean;
  /** By device object: whether the selectors match; they do not depend on the node. */
  matches: Map<object, boolean>;
}

export interface ClaimRequests {
  claim: ResourceClaim;
  /** `NAMESPACE/NAME`. */
  key: string;
  /** By request the alternatives, the preferred one first. */
  requests: readonly (readonly Alternative[])[];
  constraints(): Constraint[];
}

export type ClassNamed = (name: string) => DeviceClass | undefined;

/** Throws AllocationFailed. */
export function requestsOf(claim: ResourceClaim, classNamed: ClassNamed): ClaimRequests {
  const key = `${claim.metadata.namespace}/${claim.metadata.name}`;
  const { requests = [], constraints = [] } = claim.spec.devices ?? {};
  const found = {
    claim,
    key,
    requests: requests.map((request) => alternativesOf(request, { key, classNamed })),
    constraints: () =>
      constraints.map((constraint, index) => {
        const made = constraintOf(constraint);
        if (made) return made;
        throw new AllocationFailed(
          `claim ${key}, constraint #${index}: empty constraint (unsupported constraint type?)`,
        );
      }),
  };
  found.constraints();
  return found;
}

interface Of {
  key: string;
  classNamed: ClassNamed;
}

function alternativesOf({ name, exactly, firstAvailable = [] }: DeviceRequest, of: Of): Alternative[] {
  if (exactly) return [alternative({ name }, exactly, of)];
  return firstAvailable.map((sub) => alternative({ name, sub: sub.name }, sub, of));
}

type Asked = NonNullable<DeviceRequest['exactly']>;

function alternative(
  name: RequestName,
  asked: Omit<Asked, 'adminAccess'> & { adminAccess?: boolean },
  of: Of,
): Alternative {
  const where = `claim ${of.key}, request ${name.sub ?? name.name}`;
  if (!asked.deviceClassName)
    throw new AllocationFailed(`${where}: missing device class name (unsupported request type?)`);
  const deviceClass = of.classNamed(asked.deviceClassName);
  if (!deviceClass) {
    const missing = `deviceclass.resource.k8s.io "${asked.deviceClassName}" not found`;
    throw new AllocationFailed(`${where}: could not retrieve device class ${asked.deviceClassName}: ${missing}`);
  }
  return {
    name,
    class: deviceClass,
    selectors: asked.selectors ?? [],
    tolerations: asked.tolerations,
    capacity: asked.capacity?.requests,
    count: asked.allocationMode === 'All' ? undefined : (asked.count ?? 1),
    adminAccess: asked.adminAccess ?? false,
    matches: new Map(),
  };
}

/** Whether there is a request with several ways to meet it. */
export const hasAlternatives = (wanting: readonly ClaimRequests[]): boolean =>
  wanting.some(({ requests }) => requests.some((alternatives) => alternatives.some(({ name }) => name.sub)));

/** A request has no more alternatives than that. */
const MOST_ALTERNATIVES = 8;

/** The more, the earlier the alternatives that were found stand in their lists. */
export function preferenceOf(wanting: readonly ClaimRequests[], found: readonly AllocationResult[]): number {
  let sum = 0;
  for (const [i, { requests }] of wanting.entries()) {
    const given = new Set(found[i]?.devices?.results?.map(({ request }) => request));
    for (const alternatives of requests)
      for (const [place, { name }] of alternatives.entries())
        if (name.sub && given.has(fullNameOf(name))) sum += MOST_ALTERNATIVES - place;
  }
  return sum;
}
