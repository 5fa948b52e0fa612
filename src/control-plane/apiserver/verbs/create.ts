/**
 * POST to a collection. The order is part of the contract: webhooks see defaulted objects, validation sees what
 * webhooks made of them. Source: API conventions; order as upstream's handlers/create.go and registry/store.go.
 */
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { forbidden, hasReason, internalError, invalid, StatusError } from '#api/machinery/status.ts';
import { deepFreeze } from '#base/deep-freeze.ts';
import { decodeObject } from '../decode-object.ts';
import type { Prepared, VerbServices } from '../registry/behaviour.ts';
import { AlongsideTaken } from '../registry/stored-objects.ts';
import { admissionRequest, objectReply, type Reply, type ResourceCall } from '../resource-call.ts';
import { withSpecAsAdmittedBefore } from '../template-specs.ts';
import { withManagedFieldsOfUpdate, withReadableAccount } from './field-management.ts';
import { inNamespace, needsNameGeneration, withIdentity, withoutSystemFields } from './object-identity.ts';
import { writeOptionsOf } from './write-options.ts';

/** How often a generated name may meet an existing one. Source: KEP-4420. */
const MAX_NAME_ATTEMPTS = 8;
/** How often somebody else may take what was just chosen (an address, a port). */
const MAX_ALLOCATION_ATTEMPTS = 16;

export async function create<T extends KubeObject>(call: ResourceCall<T>, services: VerbServices): Promise<Reply> {
  const { kind, info } = call;
  const { dryRun, fieldValidation } = writeOptionsOf(info.query, 'CreateOptions'); //      422 Invalid
  const submitted = decodeObject(kind, call.body, { fieldValidation, warn: call.warn }); // 400 BadRequest, 415
  const placed = inNamespace(kind, withoutSystemFields(submitted), info.namespace); //     400 BadRequest
  const tracked = withManagedFieldsOfUpdate(call, { live: undefined, next: placed }, services);
  const object = tracked instanceof Promise ? await tracked : tracked;
  const request = admissionRequest(call, { verb: 'create', object, dryRun });
  const mutating = services.admission.mutate(request); //                                  403 Forbidden
  const mutated = (mutating instanceof Promise ? await mutating : mutating) as T;
  const readable = withReadableAccount(mutated, object, call.warn);
  const admitted = withSpecAsAdmittedBefore(readable, object);
  return await createAdmitted(call, { admitted, dryRun }, services); // awaited: a promise of a promise takes two more turns
}

/** The rest of a create, for what was admitted; PUT of a name that does not exist comes here too. */
export async function createAdmitted<T extends KubeObject>(
  call: ResourceCall<T>,
  { admitted, dryRun }: { admitted: T; dryRun: boolean },
  services: VerbServices,
): Promise<Reply> {
  if (call.kind.refusesCreate) throw forbidden(call.kind, admitted.metadata.name ?? '', call.kind.refusesCreate);
  if (admitted.metadata.resourceVersion)
    throw new StatusError('', 'resourceVersion should not be set on objects to be created');
  const isGenerated = needsNameGeneration(admitted);
  let names = MAX_NAME_ATTEMPTS;
  let allocations = MAX_ALLOCATION_ATTEMPTS;
  for (;;) {
    try {
      return await createOnce(call, { admitted, dryRun }, services);
    } catch (error) {
      if (error instanceof AlongsideTaken) {
        if (--allocations > 0) continue;
        throw internalError(error.message, error);
      }
      if (!isGenerated || !hasReason(error, 'AlreadyExists')) throw error;
      if (--names === 0) throw withoutUniqueName(error);
    }
  }
}

const withoutUniqueName = (error: StatusError): StatusError =>
  new StatusError(
    'AlreadyExists',
    `${error.message}, the server was not able to generate a unique name for the object`,
    { details: { ...error.details, retryAfterSeconds: 1 } },
  );

async function createOnce<T extends KubeObject>(
  call: ResourceCall<T>,
  { admitted, dryRun }: { admitted: T; dryRun: boolean },
  services: VerbServices,
): Promise<Reply> {
  const { kind } = call;
  const behaviour = services.behaviours.of(kind);
  const named = withIdentity(admitted, services);
  if (behaviour?.beforeCreate) refuseBadMetadata(kind, named); // before anything is looked for on its behalf
  const preparing = behaviour?.beforeCreate?.(named, { services, user: call.user, verb: 'create', dryRun });
  const prepared = ((preparing instanceof Promise ? await preparing : preparing) ?? { object: named }) as Prepared<T>;
  const object = deepFreeze(kind.prepareForCreate(prepared.object));
  const errors = kind.validate(object);
  if (errors.length > 0) throw invalid(kind, object.metadata.name ?? '', errors); //       422 Invalid
  for (const text of kind.warnings(object)) call.warn(text);
  if (behaviour?.warnings) for (const text of behaviour.warnings(object)) call.warn(text);
  const validating = services.admission.validate(admissionRequest(call, { verb: 'create', object, dryRun }));
  if (validating instanceof Promise) await validating; //                                  403 Forbidden
  if (dryRun) {
    await services.stored.refuseIfExists(kind, object.metadata);
    return objectReply(kind, { object }, 201);
  }
  const stored = await services.stored.create(kind, object, prepared.alongside); //         409 AlreadyExists
  return objectReply(kind, stored, 201);
}

function refuseBadMetadata<T extends KubeObject>(kind: Kind<T>, object: T): void {
  const errors = kind.validate(object).filter(({ field }) => field.startsWith('metadata.'));
  if (errors.length > 0) throw invalid(kind, object.metadata.name, errors);
}
