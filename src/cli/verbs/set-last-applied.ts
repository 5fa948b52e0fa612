/** `kedge apply set-last-applied`: says of objects what was applied last, and changes nothing else of them. */
import { LAST_APPLIED, lastAppliedText } from './last-applied.ts';
import { fileFlags } from './manifests.ts';
import { compactJson } from './output/json.ts';
import { OUTPUT_FLAGS, resultPrinter } from './output/output-flags.ts';
import { pathOf } from './served-resources.ts';
import { type Target, targetsOf } from './targets.ts';
import type { Verb, VerbCall } from './verb.ts';
import { throwIfAny, VerbError } from './verb-error.ts';
import { DRY_RUN_FLAG, dryRunNote, dryRunOf } from './writing.ts';

export const setLastAppliedVerb: Verb = {
  name: 'set-last-applied',
  summary: 'say what was applied last',
  usage: '-f FILENAME',
  flags: [
    ...fileFlags('that were applied last'),
    ...OUTPUT_FLAGS,
    DRY_RUN_FLAG,
    { name: 'create-annotation', type: 'bool', summary: 'also of objects that were never applied' },
  ],
  async run(call) {
    const { flags, io, cluster } = call;
    const dryRun = dryRunOf(flags);
    const print = resultPrinter(flags, io);
    const { targets, errors } = await targetsOf(call);
    throwIfAny(errors);
    const changes: { target: Target; live: unknown; text: string }[] = [];
    for (const target of targets) {
      const change = await changeOf(call, target);
      if (change) changes.push({ target, ...change });
    }
    for (const { target, live, text } of changes) {
      const query = dryRun === 'server' ? { dryRun: 'All' } : {};
      const path = pathOf(target.resource, { ...target, query });
      const object = { metadata: { annotations: { [LAST_APPLIED]: text } } };
      const contentType = 'application/merge-patch+json';
      const changed =
        dryRun === 'client' ? live : (await cluster.request({ method: 'PATCH', path, object, contentType })).object;
      io.out(print(changed, `configured${dryRunNote(dryRun)}`));
    }
  },
};

/** undefined, and told so, where nothing would change. Nothing is written before all were looked at. */
async function changeOf(
  { flags, io, cluster }: VerbCall,
  target: Target,
): Promise<{ live: unknown; text: string } | undefined> {
  const text = `${compactJson(target.object)}\n`;
  const live = await cluster.get(pathOf(target.resource, target));
  const before = lastAppliedText(live);
  if (before === undefined && !flags.bool('create-annotation'))
    throw new VerbError(
      `no last-applied-configuration annotation found on resource: ${target.name}, to create the annotation, run the command with --create-annotation`,
    );
  if (before?.trim() !== text.trim()) return { live, text };
  io.out(`set-last-applied ${target.name}: no changes required.\n`);
  return undefined;
}
