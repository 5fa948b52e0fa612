/** `kedge apply edit-last-applied`: what was applied last in the editor of the user's choice; nothing else of the object changes. */
import { isEqual } from '#api/machinery/equal.ts';
import { edit, WINDOWS_FLAG } from './editing.ts';
import { LAST_APPLIED, lastAppliedOf } from './last-applied.ts';
import { fileFlags, type ManifestObject } from './manifests.ts';
import { compactJson } from './output/json.ts';
import { OUTPUT_FLAGS, resultPrinter } from './output/output-flags.ts';
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

export const editLastAppliedVerb: Verb = {
  name: 'edit-last-applied',
  summary: 'change in an editor what was applied last',
  usage: '(RESOURCE/NAME | -f FILENAME)',
  flags: [
    ...fileFlags('whose last configuration is meant'),
    ...OUTPUT_FLAGS,
    VALIDATE_FLAG,
    fieldManagerFlag('kubectl-client-side-apply'),
    WINDOWS_FLAG,
  ],
  async run(call) {
    const { targets, errors } = await targetsOf(call, { latest: true, wholeTypes: true });
    throwIfAny(errors);
    const applied = targets.flatMap(({ object }) => lastAppliedOf(object) ?? []);
    if (applied.length === 0)
      throw new VerbError(
        `no last-applied-configuration annotation found on resources, to create the annotation, use command \`${call.path.split(' ')[0]} apply set-last-applied --create-annotation\``,
      );
    const first = await targetOf(call, { object: applied[0]!, source: 'edited-file' });
    await edit(call, {
      header: HEADER,
      objects: applied,
      first,
      async take(edited) {
        for (const object of edited) await save(call, { object, first: applied[0]! });
        return {};
      },
    });
  },
};

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
