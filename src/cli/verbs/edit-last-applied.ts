/** `kedge apply edit-last-applied`: what was applied last in the editor of the user's choice; nothing else of the object changes. */
import { parseYaml } from '#api/machinery/codec-yaml.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { formatYaml } from '#api/machinery/yaml-output.ts';
import { contentOf, inEditor } from './edit.ts';
import { messageOf } from './error-text.ts';
import { LAST_APPLIED, lastAppliedOf } from './last-applied.ts';
import { fileFlags, flattened, type ManifestObject } from './manifests.ts';
import { compactJson } from './output/json.ts';
import { OUTPUT_FLAGS, objectPrinter, resultPrinter } from './output/output-flags.ts';
import { pathOf } from './served-resources.ts';
import { targetsOf } from './targets.ts';
import { targetOf } from './targets-in-files.ts';
import type { Verb, VerbCall } from './verb.ts';
import { throwIfAny, VerbError } from './verb-error.ts';
import { fieldManagerFlag, VALIDATE_FLAG, writeQuery } from './writing.ts';

const HEADER = `# Please edit the 'last-applied-configuration' annotations below.
# Lines beginning with a '#' will be ignored, and an empty file will abort the edit.
#
`;

const EDITED_FORMATS = ['json', 'kyaml', 'yaml'];

export const editLastAppliedVerb: Verb = {
  name: 'edit-last-applied',
  summary: 'change in an editor what was applied last',
  usage: '(RESOURCE/NAME | -f FILENAME)',
  flags: [
    ...fileFlags('whose last configuration is meant'),
    ...OUTPUT_FLAGS,
    VALIDATE_FLAG,
    fieldManagerFlag('kubectl-client-side-apply'),
  ],
  async run(call) {
    const { targets, errors } = await targetsOf(call, { latest: true, wholeTypes: true });
    throwIfAny(errors);
    const applied = targets.flatMap(({ object }) => lastAppliedOf(object) ?? []);
    if (applied.length === 0)
      throw new VerbError(
        `no last-applied-configuration annotation found on resources, to create the annotation, use command \`${call.path.split(' ')[0]} apply set-last-applied --create-annotation\``,
      );
    const edited = await editedObjects(call, applied);
    for (const object of edited ?? []) await save(call, { object, first: applied[0]! });
  },
};

/** As long as it cannot be read, and the user goes on changing it; undefined when nothing is to be done. */
async function editedObjects({ flags, io }: VerbCall, applied: readonly ManifestObject[]) {
  const whole = applied.length === 1 ? applied[0]! : { apiVersion: 'v1', items: applied, kind: 'List', metadata: {} };
  const printed = objectPrinter(flags, io, EDITED_FORMATS)?.print(whole) ?? formatYaml(whole);
  const isJson = flags.string('output') === 'json';
  const start = isJson ? printed : HEADER + printed;
  for (let text = start; ; ) {
    const after = await inEditor(io, text, `last-applied.${isJson ? 'json' : 'yaml'}`);
    if (text !== start && contentOf(after) === contentOf(text))
      throw new VerbError('Edit cancelled, no valid changes were saved.');
    if (contentOf(after) === contentOf(start)) return io.err('Edit cancelled, no changes made.\n');
    if (contentOf(after) === '') return io.err('Edit cancelled, saved file was empty.\n');
    try {
      return objectsIn(contentOf(after));
    } catch (error) {
      if (!(error instanceof VerbError)) throw error;
      const told = `The edited file had a syntax error: ${messageOf(error)}`.replaceAll('\n', '\n# ');
      text = `${HEADER}# ${told}\n#\n${contentOf(after)}`;
    }
  }
}

/** Throws VerbError for what is no object. */
function objectsIn(text: string): ManifestObject[] {
  const parsed = parseYaml(text, { isTrusted: true });
  if ('problem' in parsed) throw new VerbError(`error parsing edited-file: ${parsed.problem}`);
  return flattened(parsed.value, 'edited-file');
}

/** What was applied says nothing of who the objects are, so that kubectl compares all with the first. */
async function save(
  call: VerbCall,
  { object, first }: { object: ManifestObject; first: ManifestObject },
): Promise<void> {
  const { flags, io, cluster } = call;
  const print = resultPrinter(flags, io);
  if (isEqual(object, first)) return io.out(print(object, 'skipped'));
  const { resource, namespace, name } = await targetOf(call, { object, source: 'edited-file' });
  const path = pathOf(resource, {
    namespace,
    name,
    query: writeQuery(flags, { dryRun: 'none', hasValidation: true }),
  });
  const annotations = { [LAST_APPLIED]: `${compactJson(object)}\n` };
  const contentType = 'application/merge-patch+json';
  await cluster.request({ method: 'PATCH', path, object: { metadata: { annotations } }, contentType });
  io.out(print(object, 'edited'));
}
