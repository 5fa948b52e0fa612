/** What all forms of `set` share: objects of the server or of files are changed, and of each is sent what is new. Source: kubectl, cmd/set. */
import { facts } from '#api/generated/facts.ts';
import type { JsonObject } from '#api/machinery/json-value.ts';
import { normalise } from '#api/machinery/normalise.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { FlagSpec } from '../flags.ts';
import { failuresAmong } from '../going-on.ts';
import { messageOf } from '../error-text.ts';
import { fileFlags, type Manifest, manifestsOf } from '../manifests.ts';
import { typeOfObject } from '../object-type.ts';
import { OUTPUT_FLAGS, resourceNameOf } from '../output/output-flags.ts';
import { structPrinter } from '../output/struct-order.ts';
import { pathOf } from '../served-resources.ts';
import { strategicPatchBetween } from '../strategic-patch.ts';
import { ALL_FLAG, SELECTOR_FLAGS, type Target, targetsOf } from '../targets.ts';
import { NO_RESOURCE } from '../targets-by-arguments.ts';
import type { VerbCall } from '../verb.ts';
import { throwIfAny, VerbError } from '../verb-error.ts';
import { DRY_RUN_FLAG, dryRunNote, dryRunOf, fieldManagerFlag, writeQuery } from '../writing.ts';

export const SET_FLAGS: readonly FlagSpec[] = [
  ...OUTPUT_FLAGS,
  ...fileFlags('to change'),
  ALL_FLAG,
  { name: 'local', type: 'bool', summary: 'change what is in the file, and ask no server' },
  DRY_RUN_FLAG,
  fieldManagerFlag('kubectl-set'),
];
export const SELECTED_SET_FLAGS: readonly FlagSpec[] = [...SET_FLAGS, ...SELECTOR_FLAGS];

/** One that is to be changed, as Go's struct has it. */
export interface Changed {
  /** Absent for what no server was asked about. */
  target: Target | undefined;
  kind: string;
  object: KubeObject;
}

/** Throws VerbError for what is asked for in a form that there is not: nothing is sent then. */
export function refuseUnprintable({ flags, io }: VerbCall): void {
  dryRunOf(flags);
  structPrinter(flags, io);
}

/** Throws what keeps any of them from being found. */
export async function objectsToChange(call: VerbCall, args: readonly string[]): Promise<Changed[]> {
  if (call.flags.bool('local')) return objectsOfFiles(call, args);
  const { targets, errors } = await targetsOf({ ...call, args }, { latest: true });
  throwIfAny(errors);
  return targets.map((target) => ({ target, ...asStruct(target.object as KubeObject) }));
}

async function objectsOfFiles({ flags, io }: VerbCall, args: readonly string[]): Promise<Changed[]> {
  if (args.length > 0)
    throw new VerbError(
      "error: you must specify resources by --filename when --local is set.\nExample resource specifications include:\n   '-f rsrc.yaml'\n   '--filename=rsrc.json'",
    );
  if (flags.list('filename').length === 0 && !flags.has('kustomize')) throw new VerbError(NO_RESOURCE);
  const { manifests, errors } = await manifestsOf(flags, io);
  const objects: Changed[] = [];
  const failures = await failuresAmong(manifests, (manifest) => objects.push(decoded(manifest)));
  throwIfAny([...errors, ...failures]);
  return objects;
}

function decoded({ object, source }: Manifest): Changed {
  try {
    return { target: undefined, ...asStruct(object as unknown as KubeObject) };
  } catch (error) {
    throw new VerbError(`unable to decode ${JSON.stringify(source)}: ${messageOf(error)}`);
  }
}

function asStruct(object: KubeObject): { kind: string; object: KubeObject } {
  const { apiVersion = '', kind = '' } = object;
  const type = typeOfObject(object);
  if (!type)
    throw new VerbError(
      `no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)} in scheme "pkg/scheme/scheme.go:28"`,
    );
  const hasStatus = type.jsonFields.has('status');
  const read = normalise(facts, type, hasStatus ? { status: {}, ...object } : object);
  if ('problem' in read) throw new VerbError(read.problem);
  // Of a struct it is always told, though there be nothing in it.
  const struct = hasStatus ? { ...read.object, status: read.object['status'] ?? {} } : read.object;
  return { kind, object: struct as unknown as KubeObject };
}

export interface Change {
  /** `image updated`. */
  done: string;
  /** What stands before the words of a server that refuses it. */
  refused: string;
  /** Where nothing is new it is told nevertheless. */
  isAlwaysTold?: boolean;
  /** Changes the object in its hands; what is wrong with parts of it is told with `complain`. */
  edit(object: KubeObject, complain: (text: string) => void): void;
}

interface Planned extends Changed {
  after: KubeObject;
  patch: JsonObject;
}

/** All of them are changed before the first is sent. */
export async function changeAll(call: VerbCall, objects: readonly Changed[], change: Change): Promise<void> {
  const errors: unknown[] = [];
  const planned: Planned[] = [];
  const complain = (text: string) => errors.push(new VerbError(text));
  const unchanged = await failuresAmong(objects, (each) => {
    try {
      planned.push(plan(each, change, complain));
    } catch (error) {
      throw new VerbError(`error: ${nameOf(each)} ${messageOf(error)}\n`);
    }
  });
  const print = structPrinter(call.flags, call.io);
  const note = dryRunNote(dryRunOf(call.flags));
  const unsent = await failuresAmong(planned, async (each) => {
    if (Object.keys(each.patch).length > 0 || change.isAlwaysTold)
      call.io.out(print(await sent(call, each, change), change.done + note));
  });
  throwIfAny([...errors, ...unchanged, ...unsent]);
}

const nameOf = ({ target, object }: Changed): string =>
  target ? `${target.resource.plural}/${target.name}` : resourceNameOf(object);

function plan(changed: Changed, { edit }: Change, complain: (text: string) => void): Planned {
  const edited = structuredClone(changed.object);
  edit(edited, complain);
  const { object: after } = asStruct(edited);
  const type = typeOfObject(after)!;
  const [before, wanted] = [changed.object, after] as unknown as [JsonObject, JsonObject];
  return { ...changed, after, patch: strategicPatchBetween(before, wanted, { type, facts }) };
}

/** What came of it. */
async function sent(
  { flags, cluster }: VerbCall,
  { target, after, patch }: Planned,
  { refused }: Change,
): Promise<unknown> {
  const dryRun = dryRunOf(flags);
  if (!target || dryRun === 'client') return after;
  const path = pathOf(target.resource, { ...target, query: writeQuery(flags, { dryRun }) });
  const contentType = 'application/strategic-merge-patch+json';
  const answered = cluster.request({ method: 'PATCH', path, object: patch, contentType });
  const { object } = await answered.catch((error: unknown) => {
    throw new VerbError(refused + messageOf(error));
  });
  return object;
}

/** Throws VerbError for what contradicts itself. */
export function refuseLocalServer({ flags }: VerbCall): void {
  if (flags.bool('local') && dryRunOf(flags) === 'server')
    throw new VerbError('cannot specify --local and --dry-run=server - did you mean --dry-run=client?');
}

export function refuseAllAndSelector({ flags }: VerbCall): void {
  if (flags.bool('all') && flags.string('selector'))
    throw new VerbError('cannot set --all and --selector at the same time');
}
