/** PUT of one object: replaces what its endpoint may change. */
import type { KubeObject } from '#api/machinery/object.ts';
import { hasReason } from '#api/machinery/status.ts';
import { forbiddenBy } from '../authorization/authorizer.ts';
import { decodeObject } from '../decode-object.ts';
import type { VerbServices } from '../registry/behaviour.ts';
import { admissionRequest, locationOf, type Reply, type ResourceCall } from '../resource-call.ts';
import { createAdmitted } from './create.ts';
import { withManagedFieldsOfUpdate, withReadableAccount } from './field-management.ts';
import { inNamespace, refuseOtherName, withoutSystemFields } from './object-identity.ts';
import { updateStored } from './stored-update.ts';
import { writeOptionsOf } from './write-options.ts';

export async function update<T extends KubeObject>(call: ResourceCall<T>, services: VerbServices): Promise<Reply> {
  const { kind, info } = call;
  const { dryRun, fieldValidation } = writeOptionsOf(info.query, 'UpdateOptions'); //      422 Invalid
  const from = services.stored.atHand(kind, locationOf(call));
  const submitted = decodeObject(kind, call.body, { fieldValidation, warn: call.warn, from }); // 400 BadRequest, 415
  const object = inNamespace(kind, submitted, info.namespace); //                          400 BadRequest
  refuseOtherName(object, info.name); //                                                   400 BadRequest

  const mayCreate = kind.allowCreateOnUpdate && info.subresource === '';
  const standing = mayCreate ? services.stored.get(kind, locationOf(call)) : object;
  if (!(standing instanceof Promise ? await standing : standing)) {
    try {
      const next = withoutSystemFields(object);
      const tracked = await withManagedFieldsOfUpdate(call, { live: undefined, next }, services);
      return await createUnasked(call, { object: tracked, dryRun }, services);
    } catch (error) {
      if (!hasReason(error, 'AlreadyExists')) throw error; // somebody created it meanwhile: then it is an update
    }
  }
  return await updateStored(call, { next: () => object, dryRun }, services); //            404, 409, 422, 403
}

/** By a request that is no create: whoever made it has to be allowed to create as well. Throws AlreadyExists, Forbidden. */
export async function createUnasked<T extends KubeObject>(
  call: ResourceCall<T>,
  { object, dryRun }: { object: T; dryRun: boolean },
  services: VerbServices,
): Promise<Reply> {
  const { info, user } = call;
  const attributes = { ...info, user, verb: 'create' };
  const { decision, reason } = await services.authorizer.authorize(attributes);
  if (decision !== 'allow') throw forbiddenBy(attributes, reason);
  const request = admissionRequest(call, { verb: 'create', object, dryRun });
  const mutated = (await services.admission.mutate(request)) as T;
  const admitted = withReadableAccount(mutated, object, call.warn);
  return createAdmitted(call, { admitted, dryRun }, services);
}
