/**
 * Who may have access to devices that others use (`adminAccess`), and who may write which part of a claim's status: whoever
 * binds claims, and each driver of its own devices. Source: KEP-5018, KEP-4817; texts as upstream.
 */

import { Namespace } from '#api/core/v1/namespace.ts';
import type {
  AllocatedDeviceStatus,
  AllocationResult,
  DeviceRequest,
  ResourceClaimTemplate,
  ResourceResourceClaim,
} from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { type FieldError, forbiddenField } from '#api/machinery/field-error.ts';
import { dns1123Subdomain } from '#api/machinery/names.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { invalid } from '#api/machinery/status.ts';
import { allocatedDeviceName } from '#api/resource/v1/claim-status-rules.ts';
import type { UserInfo } from '#client/transport.ts';
import { forbiddenBy, type ResourceAttributes } from '../authorization/authorizer.ts';
import type { Behaviour, BehaviourContext } from './behaviour.ts';

const GROUP = 'resource.k8s.io';
const ADMIN_LABEL = 'resource.kubernetes.io/admin-access';
const NODE_NAME = 'authentication.kubernetes.io/node-name';

export const resourceClaimBehaviour: Behaviour<ResourceResourceClaim> = {
  group: GROUP,
  plural: 'resourceclaims',
  async beforeCreate(claim, context) {
    const at = adminRequest(claim.spec.devices?.requests);
    refuseIfWrong(claim, at === undefined ? [] : await adminErrors(claim, at, context));
    return { object: claim };
  },
  async beforeStatusUpdate(next, current, context) {
    refuseIfWrong(next, [
      ...(await grantErrors(next, current, context)),
      ...(await bindingErrors(next, current, context)),
      ...(next.status?.allocation ? await driverErrors(next, current, context) : []),
    ]);
    return { object: next };
  },
};

export const resourceClaimTemplateBehaviour: Behaviour<ResourceClaimTemplate> = {
  group: GROUP,
  plural: 'resourceclaimtemplates',
  async beforeCreate(template, context) {
    const at = adminRequest(template.spec.spec?.devices?.requests);
    refuseIfWrong(template, at === undefined ? [] : await adminErrors(template, at, context));
    return { object: template };
  },
};

function refuseIfWrong({ kind, metadata }: KubeObject, errors: readonly FieldError[]): void {
  if (errors.length > 0) throw invalid({ group: GROUP, kind }, metadata.name, errors);
}

/** The field of the first that asks for it; for templates too upstream names the claim's. */
function adminRequest(requests: readonly DeviceRequest[] = []): string | undefined {
  const index = requests.findIndex(({ exactly }) => exactly?.adminAccess);
  return index < 0 ? undefined : `spec.devices.requests[${index}].adminAccess`;
}

async function adminErrors(
  { metadata }: KubeObject,
  at: string,
  { services }: BehaviourContext,
): Promise<FieldError[]> {
  const namespace = await services.stored.get(Namespace, { namespace: '', name: metadata.namespace ?? '' });
  if (namespace?.metadata.labels?.[ADMIN_LABEL] === 'true') return [];
  const text = `admin access to devices requires the \`${ADMIN_LABEL}: true\` label on the containing namespace`;
  return [forbiddenField(at, text)];
}

async function grantErrors(
  next: ResourceResourceClaim,
  current: ResourceResourceClaim,
  context: BehaviourContext,
): Promise<FieldError[]> {
  const grant = ({ status }: ResourceResourceClaim) =>
    status?.allocation?.devices?.results?.findIndex(({ adminAccess }) => adminAccess) ?? -1;
  const index = grant(next);
  if (index < 0 || grant(current) >= 0) return [];
  return adminErrors(next, `status.allocation.devices.results[${index}].adminAccess`, context);
}

async function bindingErrors(
  { status: next }: ResourceResourceClaim,
  { status: current }: ResourceResourceClaim,
  context: BehaviourContext,
): Promise<FieldError[]> {
  const isSame = (['allocation', 'reservedFor'] as const).every((field) => isEqual(next?.[field], current?.[field]));
  if (isSame) return [];
  const why = await whyNot({ verb: context.verb, subresource: 'binding', namespace: '', name: '' }, context);
  if (why === undefined) return [];
  const what = 'changing status.allocation or status.reservedFor requires resource="resourceclaims/binding"';
  return [forbiddenField('status.allocation', `${what}, verb="${context.verb}" permission: ${why}`)];
}

/** A driver may write of its own devices: that of the claim's node with the one verb, anybody with the other. */
async function driverErrors(
  next: ResourceResourceClaim,
  current: ResourceResourceClaim,
  context: BehaviourContext,
): Promise<FieldError[]> {
  const drivers = changedDrivers(next.status?.devices ?? [], current.status?.devices ?? []);
  const node = nodeOf(next.status?.allocation);
  const prefixes =
    node && node === nodeOfAccount(context.user) ? ['associated-node:', 'arbitrary-node:'] : ['arbitrary-node:'];
  const verbs = prefixes.map((prefix) => `${prefix}${context.verb}`);
  const namespace = next.metadata.namespace ?? '';
  const errors: FieldError[] = [];
  for (const driver of drivers) {
    const refusals: string[] = [];
    for (const verb of verbs) {
      const why = await whyNot({ verb, subresource: 'driver', namespace, name: driver }, context);
      if (why === undefined) break;
      refusals.push(why);
    }
    if (refusals.length < verbs.length) continue;
    const what = `changing status.devices requires resource="resourceclaims/driver", verb="[${verbs.join(' ')}]" permission`;
    errors.push(forbiddenField('status.devices', `${what}: ${refusals[0]}`));
  }
  return errors;
}

/** Whose entries came, went or are other ones. */
function changedDrivers(next: readonly AllocatedDeviceStatus[], current: readonly AllocatedDeviceStatus[]): string[] {
  const before = new Map(current.map((device) => [allocatedDeviceName(device), device]));
  const drivers = new Set<string>();
  for (const device of next) {
    const name = allocatedDeviceName(device);
    if (!isEqual(before.get(name), device)) drivers.add(device.driver);
    before.delete(name);
  }
  for (const { driver } of before.values()) drivers.add(driver);
  return [...drivers].sort();
}

/** Where an allocation is of one node alone. */
function nodeOf(allocation: AllocationResult | undefined): string | undefined {
  const [term, ...terms] = allocation?.nodeSelector?.nodeSelectorTerms ?? [];
  const [field, ...fields] = term?.matchFields ?? [];
  if (terms.length + fields.length + (term?.matchExpressions?.length ?? 0) > 0) return undefined;
  if (field?.key !== 'metadata.name' || field.operator !== 'In' || field.values?.length !== 1) return undefined;
  return field.values[0];
}

function nodeOfAccount({ name, extra }: UserInfo): string | undefined {
  const [node, ...others] = extra?.[NODE_NAME] ?? [];
  if (!name.startsWith('system:serviceaccount:') || others.length > 0) return undefined;
  return node !== undefined && dns1123Subdomain(node).length === 0 ? node : undefined;
}

async function whyNot(
  asked: Pick<ResourceAttributes, 'verb' | 'subresource' | 'namespace' | 'name'>,
  { user, services }: BehaviourContext,
): Promise<string | undefined> {
  const attributes = { user, group: GROUP, version: 'v1', resource: 'resourceclaims', ...asked };
  const { decision, reason, error } = await services.authorizer.authorize(attributes);
  return decision === 'allow' ? undefined : forbiddenBy(attributes, [error, reason].filter(Boolean).join(': ')).message;
}
