/** What the devices of a claim must have in common, or must not. Source: API reference, DeviceConstraint. */
import type { DeviceAttribute, DeviceConstraint } from '#api/generated/schema.ts';
import type { Candidate } from './device-pools.ts';

export interface Constraint {
  /** Whether the device can come to those that were added; if so it is one of them from now on. */
  add(request: RequestName, candidate: Candidate): boolean;
  /** The last one that was added. */
  remove(request: RequestName, candidate: Candidate): void;
}

/** `sub`: of several alternatives the one that is tried. */
export interface RequestName {
  name: string;
  sub?: string | undefined;
}

export const fullNameOf = ({ name, sub }: RequestName): string => (sub === undefined ? name : `${name}/${sub}`);

/** undefined for a sort that is not known. */
export function constraintOf({
  requests,
  matchAttribute,
  distinctAttribute,
}: DeviceConstraint): Constraint | undefined {
  const concerns = (request: RequestName) =>
    !requests?.length || requests.includes(request.name) || requests.includes(fullNameOf(request));
  if (matchAttribute) return allEqual(matchAttribute, concerns);
  return distinctAttribute ? allDifferent(distinctAttribute, concerns) : undefined;
}

type Concerns = (request: RequestName) => boolean;

function allEqual(attribute: string, concerns: Concerns): Constraint {
  let count = 0;
  let common: string | undefined;
  return {
    add(request, candidate) {
      if (!concerns(request)) return true;
      const value = attributeOf(candidate, attribute);
      if (value === undefined || (count > 0 && value !== common)) return false;
      common = value;
      count++;
      return true;
    },
    remove(request) {
      if (concerns(request)) count--;
    },
  };
}

function allDifferent(attribute: string, concerns: Concerns): Constraint {
  const seen = new Set<string>();
  return {
    add(request, candidate) {
      if (!concerns(request)) return true;
      const value = attributeOf(candidate, attribute);
      if (value === undefined || seen.has(value)) return false;
      seen.add(value);
      return true;
    },
    remove(request, candidate) {
      const value = concerns(request) ? attributeOf(candidate, attribute) : undefined;
      if (value !== undefined) seen.delete(value);
    },
  };
}

/** A text that two attributes share only when type and value are the same. */
function attributeOf({ device: { attributes = {} }, driver }: Candidate, name: string): string | undefined {
  const slash = name.indexOf('/');
  const isDrivers = name.slice(0, slash) === driver;
  const attribute = ownOf(attributes, name) ?? (isDrivers ? ownOf(attributes, name.slice(slash + 1)) : undefined);
  const entry = attribute && Object.entries(attribute)[0];
  return entry && JSON.stringify(entry);
}

const ownOf = (attributes: Readonly<Record<string, DeviceAttribute>>, name: string): DeviceAttribute | undefined =>
  Object.hasOwn(attributes, name) ? attributes[name] : undefined;
