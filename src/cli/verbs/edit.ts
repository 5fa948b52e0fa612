/** `kedge edit`: objects in the editor of the user's choice; what was changed there is sent as patches. */
import { facts } from '#api/generated/facts.ts';
import type { JsonObject } from '#api/machinery/json-value.ts';
import { hasReason, StatusError } from '#api/machinery/status.ts';
import { mergePatchBetween } from '#api/machinery/three-way-merge.ts';
import { edit, EDIT_HEADER, namedIn, notValid, type Outcome, type Reason, WINDOWS_FLAG } from './editing.ts';
import { messageOf } from './error-text.ts';
import { isNotFound } from './fetched-target.ts';
import { annotated } from './last-applied.ts';
import { fileFlags, type ManifestObject } from './manifests.ts';
import { compactJson } from './output/json.ts';
import { OUTPUT_FLAGS, resultPrinter, withoutManagedFields } from './output/output-flags.ts';
import { pathOf } from './served-resources.ts';
import { strategicPatchBetween } from './strategic-patch.ts';
import { type Target, targetsOf } from './targets.ts';
import type { Verb, VerbCall } from './verb.ts';
import { throwIfAny, VerbError } from './verb-error.ts';
import { fieldManagerFlag, VALIDATE_FLAG, writeQuery } from './writing.ts';

export const editVerb: Verb = {
  name: 'edit',
  summary: 'change objects in an editor',
  usage: '(TYPE NAME | -f FILENAME)',
  flags: [
    ...fileFlags('to edit'),
    ...OUTPUT_FLAGS,
    VALIDATE_FLAG,
    fieldManagerFlag('kubectl-edit'),
    WINDOWS_FLAG,
    { name: 'output-patch', type: 'bool', summary: 'print the patches, too' },
    { name: 'save-config', type: 'bool', summary: 'keep what was sent for a later apply' },
    { name: 'subresource', type: 'string', summary: 'status, scale or another part of the object' },
  ],
  async run(call) {
    const subresource = call.flags.string('subresource');
    const { targets, errors } = await targetsOf(call, { latest: true, wholeTypes: true, subresource });
    throwIfAny(errors);
    const [first] = targets;
    if (!first) throw new VerbError('edit cancelled, no objects found');
    const objects = targets.map(({ object }) => object as ManifestObject);
    await edit(call, {
      header: EDIT_HEADER,
      objects,
      first,
      take: (edited) => new Patching(call, targets).take(edited),
    });
  },
};

/** What has been edited once is sent; what fails does not keep the others from it. */
class Patching {
  readonly #call: VerbCall;
  readonly #targets: readonly Target[];
  readonly #reasons: Reason[] = [];
  #isRetryable = false;
  #isGone = false;

  constructor(call: VerbCall, targets: readonly Target[]) {
    this.#call = call;
    this.#targets = targets;
  }

  async take(edited: readonly ManifestObject[]): Promise<Outcome> {
    const changed = edited.map((object) => this.#inNamespace(object));
    for (const object of changed) await this.#send(object);
    const program = this.#call.path.split(' ')[0];
    if (this.#isRetryable)
      return { leftIn: (path) => `You can run \`${program} replace -f ${path}\` to try this update again.` };
    if (this.#isGone)
      return {
        leftIn: (path) => `The edits you made on deleted resources have been saved to ${JSON.stringify(path)}`,
      };
    return { reasons: this.#reasons };
  }

  #inNamespace(object: ManifestObject): ManifestObject {
    const { namespace: own } = this.#call.cluster;
    const { namespace } = object.metadata;
    if (!this.#targetOf(object).resource.isNamespaced || namespace === own) return object;
    if (!namespace) return { ...object, metadata: { ...object.metadata, namespace: own } };
    throw new VerbError(
      `the namespace from the provided object ${JSON.stringify(namespace)} does not match the namespace ${JSON.stringify(own)}. You must pass '--namespace=${namespace}' to perform this operation.`,
    );
  }

  #targetOf({ kind, metadata }: ManifestObject): Target {
    const found = this.#targets.find(({ object }) => uidOf(object) === metadata['uid']);
    if (found) return found;
    throw new VerbError(`no original object found for ${kind} ${JSON.stringify(metadata.name ?? '')}`);
  }

  async #send(edited: ManifestObject): Promise<void> {
    const { flags, io, cluster } = this.#call;
    const target = this.#targetOf(edited);
    const original = target.object as ManifestObject;
    const whole = withManagedFieldsOf(original, edited);
    const wanted = flags.bool('save-config') ? annotated(whole) : whole;
    const print = resultPrinter(flags, io);
    if (compactJson(wanted) === compactJson(original)) return io.out(print(wanted, 'skipped'));
    const { patch, contentType } = patchBetween(target, original, wanted);
    if (flags.bool('output-patch')) io.out(`Patch: ${compactJson(patch)}\n`);
    const query = writeQuery(flags, { dryRun: 'none', hasValidation: true });
    const path = pathOf(target.resource, { ...target, subresource: flags.string('subresource'), query });
    try {
      const reply = await cluster.request({ method: 'PATCH', path, object: patch, contentType });
      io.out(print(reply.object, 'edited'));
    } catch (error) {
      io.err(`error: ${namedIn(target)} ${this.#noted(target, error)}\n`);
    }
  }

  /** @returns what is said of it */
  #noted(target: Target, error: unknown): string {
    if (error instanceof StatusError && hasReason(error, 'Invalid')) {
      const causes = error.toStatus().details?.causes ?? [];
      this.#reasons.push(
        notValid(
          target,
          causes.map(({ field = '', message = '' }) => `${field}: ${message}`),
        ),
      );
      return 'is invalid';
    }
    if (isNotFound(error)) {
      this.#isGone = true;
      return 'could not be found on the server';
    }
    this.#isRetryable = true;
    return `could not be patched: ${messageOf(error)}`;
  }
}

const uidOf = (object: unknown): unknown => (object as ManifestObject).metadata['uid'];

/** Nobody was shown them. */
function withManagedFieldsOf(original: ManifestObject, edited: ManifestObject): ManifestObject {
  const { managedFields } = original.metadata;
  const { metadata, ...rest } = withoutManagedFields(edited) as ManifestObject;
  return {
    ...rest,
    apiVersion: edited.apiVersion,
    kind: edited.kind,
    metadata: { ...metadata, ...(managedFields !== undefined && { managedFields }) },
  };
}

/** Kinds that users define take no strategic patches. */
function patchBetween({ resource }: Target, original: ManifestObject, wanted: ManifestObject) {
  const type = facts.typeOfKind(resource.group, resource.version, resource.kind);
  const [from, to] = [original as JsonObject, wanted as JsonObject];
  const patch = type ? strategicPatchBetween(from, to, { type, facts }) : (mergePatchBetween(from, to) ?? {});
  const metadata = patch['metadata'] as JsonObject | undefined;
  if ('apiVersion' in patch || 'kind' in patch || (metadata && 'name' in metadata))
    throw new VerbError('At least one of apiVersion, kind and name was changed');
  return { patch, contentType: `application/${type ? 'strategic-merge' : 'merge'}-patch+json` };
}
