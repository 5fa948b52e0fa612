/**
 * Extended resources that nobody on the node knows of: somebody advertises them by the capacity of its node alone, and pods may
 * have all of them. Pure. Source: "Advertise Extended Resources for a Node".
 */
import type { NodeStatus } from '#api/generated/schema.ts';
import { isExtendedResource } from './resource-names.ts';

interface Resources {
  capacity: Record<string, string>;
  allocatable: Record<string, string>;
}

/**
 * What the node says of itself, and with it what others have said before; as a merge patch takes it, `null` for what is withdrawn.
 * What may be given away already stays as it is: it may be that of a device plugin that has yet to come back.
 */
export function withAdvertised({ capacity, allocatable }: Resources, before: NodeStatus | undefined): Resources {
  const advertised = extendedOf(before?.capacity);
  const known = extendedOf(before?.allocatable);
  const withdrawn = Object.keys(known).filter((name) => !Object.hasOwn(advertised, name));
  const nothing = Object.fromEntries(withdrawn.map((name) => [name, null])) as unknown as Record<string, string>;
  return {
    capacity: { ...advertised, ...capacity },
    allocatable: { ...advertised, ...known, ...nothing, ...allocatable },
  };
}

const extendedOf = (amounts: Readonly<Record<string, string>> = {}): Record<string, string> =>
  Object.fromEntries(Object.entries(amounts).filter(([name]) => isExtendedResource(name)));
