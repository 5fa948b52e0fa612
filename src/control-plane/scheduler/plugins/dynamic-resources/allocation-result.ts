/** What is written into a claim when its devices are chosen. Source: API reference, AllocationResult. */
import type {
  AllocationResult,
  DeviceAllocationConfiguration,
  DeviceRequestAllocationResult,
  NodeSelector,
  NodeSelectorRequirement,
} from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { formatConsumed } from './device-capacity.ts';
import { fullNameOf } from './device-constraints.ts';
import type { Alternative, ClaimRequests } from './device-requests.ts';
import type { Chosen } from './device-search.ts';

export function allocationOf(
  { claim, requests }: ClaimRequests,
  chosen: readonly Chosen[],
  chosenNode: string,
): AllocationResult {
  const picked = requests.flatMap((alternatives) => {
    const one = alternatives.find((alternative) => chosen.some((each) => each.alternative === alternative));
    return one ? [one] : [];
  });
  const config = configOf(claim.spec.devices?.config ?? [], picked);
  const nodeSelector = nodeSelectorOf(chosen, chosenNode);
  return {
    devices: {
      results: chosen.map((each, index) => resultOf(each, shareIdOf(claim.metadata.uid, index))),
      ...(config.length > 0 && { config }),
    },
    ...(nodeSelector && { nodeSelector }),
  };
}

function resultOf({ alternative, candidate, consumed }: Chosen, shareID: string): DeviceRequestAllocationResult {
  const { device, slice, driver } = candidate;
  return {
    request: fullNameOf(alternative.name),
    driver,
    pool: slice.spec.pool.name,
    device: device.name,
    ...(alternative.adminAccess && { adminAccess: true }),
    ...(alternative.tolerations && { tolerations: [...alternative.tolerations] }),
    ...(device.bindingConditions && { bindingConditions: device.bindingConditions }),
    ...(device.bindingFailureConditions && { bindingFailureConditions: device.bindingFailureConditions }),
    ...(consumed && { shareID, consumedCapacity: formatConsumed(consumed, device) }),
  };
}

/** A UID for each share that a claim has: its own with a number in place of the last four digits. */
const shareIdOf = (uid: string, index: number): string => `${uid.slice(0, -4)}${index.toString(16).padStart(4, '0')}`;

/** What classes say, then what the claim says; without requests where it is for all of them. */
function configOf(
  own: NonNullable<NonNullable<ClaimRequests['claim']['spec']['devices']>['config']>,
  picked: readonly Alternative[],
): DeviceAllocationConfiguration[] {
  const names = picked.map(({ name }) => fullNameOf(name));
  const ofClasses = [...new Set(picked.map((alternative) => alternative.class))].flatMap((deviceClass) => {
    const requests = picked.filter((each) => each.class === deviceClass).map(({ name }) => fullNameOf(name));
    return (deviceClass.spec.config ?? []).map((config) => ({ source: 'FromClass' as const, requests, ...config }));
  });
  const ofClaim = own
    .filter(({ requests }) => !requests?.length || picked.some(({ name }) => concerns(requests, name)))
    .map((config) => ({ source: 'FromClaim' as const, ...config }));
  return [...ofClasses, ...ofClaim].map(({ requests, ...config }) =>
    !requests?.length || picked.every(({ name }) => concerns(requests, name)) || names.length === 0
      ? config
      : { ...config, requests: [...requests] },
  );
}

const concerns = (requests: readonly string[], name: Alternative['name']): boolean =>
  requests.includes(name.name) || requests.includes(fullNameOf(name));

/** undefined: the devices can be reached from everywhere. */
function nodeSelectorOf(chosen: readonly Chosen[], chosenNode: string): NodeSelector | undefined {
  const matchFields: NodeSelectorRequirement[] = [];
  const matchExpressions: NodeSelectorRequirement[] = [];
  for (const { candidate } of chosen) {
    const { spec } = candidate.slice;
    const { nodeName: own, nodeSelector } = spec.perDeviceNodeSelection ? candidate.device : spec;
    const nodeName = candidate.device.bindsToNode ? chosenNode : own;
    if (nodeName)
      return { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [nodeName] }] }] };
    const term = nodeSelector?.nodeSelectorTerms[0];
    addNew(matchFields, term?.matchFields);
    addNew(matchExpressions, term?.matchExpressions);
  }
  const term = { ...(matchFields.length && { matchFields }), ...(matchExpressions.length && { matchExpressions }) };
  return Object.keys(term).length > 0 ? { nodeSelectorTerms: [term] } : undefined;
}

function addNew(to: NodeSelectorRequirement[], more: readonly NodeSelectorRequirement[] = []): void {
  for (const one of more) if (!to.some((each) => isEqual(each, one))) to.push(one);
}
