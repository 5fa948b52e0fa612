/** `kedge replace`: puts objects from files in the place of those that are there. */
import { whileDoing } from './error-text.ts';
import { annotated } from './last-applied.ts';
import { fileFlags, type ManifestObject } from './manifests.ts';
import { OUTPUT_FLAGS, resultPrinter } from './output/output-flags.ts';
import { pathOf } from './served-resources.ts';
import { targetsOf } from './targets.ts';
import type { Verb } from './verb.ts';
import { throwIfAny, unexpected, VerbError } from './verb-error.ts';
import { DRY_RUN_FLAG, dryRunNote, dryRunOf, fieldManagerFlag, VALIDATE_FLAG, writeQuery } from './writing.ts';

export const replaceVerb: Verb = {
  name: 'replace',
  summary: 'put objects from files in the place of those that are there',
  usage: '-f FILENAME',
  flags: [
    ...fileFlags('to replace with'),
    ...OUTPUT_FLAGS,
    DRY_RUN_FLAG,
    VALIDATE_FLAG,
    fieldManagerFlag('kubectl-replace'),
    { name: 'save-config', type: 'bool', summary: 'keep what was sent for a later apply' },
    { name: 'subresource', type: 'string', summary: 'status, scale or another part of the object' },
  ],
  async run(call) {
    const { flags, args, io, cluster, path } = call;
    if (args.length > 0) throw unexpected(`unexpected args: [${args.join(' ')}]`, path);
    if (flags.list('filename').length === 0 && !flags.has('kustomize'))
      throw new VerbError('must specify one of -f and -k');
    const dryRun = dryRunOf(flags);
    const { targets, errors } = await targetsOf(call);
    if (targets.length === 0 && errors.length === 0) throw new VerbError('no objects passed to replace');
    const print = resultPrinter(flags, io);
    for (const target of targets) {
      const sent = flags.bool('save-config') ? annotated(target.object as ManifestObject) : target.object;
      try {
        const query = writeQuery(flags, { dryRun, hasValidation: true });
        const at = pathOf(target.resource, { ...target, subresource: flags.string('subresource'), query });
        const object =
          dryRun === 'client' ? sent : (await cluster.request({ method: 'PUT', path: at, object: sent })).object;
        io.out(print(object, `replaced${dryRunNote(dryRun)}`));
      } catch (error) {
        errors.push(whileDoing(error, 'replacing', target.source));
      }
    }
    throwIfAny(errors);
  },
};
