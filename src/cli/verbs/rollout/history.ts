/** `kedge rollout history`: the revisions of a workload, or what one of them is. */
import { describePodTemplate } from '../describe/pod-template.ts';
import { Report } from '../describe/report.ts';
import { fileFlags } from '../manifests.ts';
import { OUTPUT_FLAGS, resourceNameOf } from '../output/output-flags.ts';
import { structPrinter } from '../output/struct-order.ts';
import { aligned, DESCRIBE_TABS } from '../output/tabs.ts';
import { SELECTOR_FLAGS, type Target } from '../targets.ts';
import type { Verb, VerbCall } from '../verb.ts';
import { throwIfAny, VerbError } from '../verb-error.ts';
import { type Revision, revisionsOf } from './revisions.ts';
import { workloadsOf } from './steering.ts';

export const historyVerb: Verb = {
  name: 'history',
  summary: 'list the revisions of a workload',
  usage: '(TYPE NAME | TYPE/NAME) [flags]',
  flags: [
    ...fileFlags('that are meant'),
    ...SELECTOR_FLAGS,
    ...OUTPUT_FLAGS,
    { name: 'revision', type: 'int', default: '0', summary: 'what this revision is' },
  ],
  async run(call) {
    const revision = call.flags.int64('revision');
    if (revision < 0) throw new VerbError(`revision must be a positive integer: ${revision}`);
    const { targets, errors } = await workloadsOf(call);
    const isTold = call.flags.string('output') === '';
    const print = structPrinter(call.flags, call.io);
    for (const target of targets) {
      if (!isTold) {
        for (const each of await chosen(call, target, revision)) call.io.out(print(each.object, ''));
        continue;
      }
      const withRevision = revision > 0 ? `with revision #${revision}` : '';
      call.io.out(`${resourceNameOf(target.object)} ${withRevision}\n${await historyOf(call, target, revision)}\n`);
    }
    throwIfAny(errors);
  },
};

/** All of them, or the one that is meant. */
async function chosen(call: VerbCall, target: Target, revision: bigint): Promise<Revision[]> {
  const revisions = await revisionsOf(call, target, 'history');
  if (revision === 0n) return revisions;
  return [found(revisions, revision)];
}

function found(revisions: readonly Revision[], revision: bigint): Revision {
  const one = revisions.find(({ number }) => number === revision);
  if (!one) throw new VerbError('unable to find the specified revision');
  return one;
}

async function historyOf(call: VerbCall, target: Target, revision: bigint): Promise<string> {
  const revisions = await revisionsOf(call, target, 'history');
  if (revisions.length === 0) return 'No rollout history found.';
  if (revision === 0n) {
    const rows = revisions.map(({ number, changeCause }) => `${number}\t${changeCause || '<none>'}\n`);
    return aligned(`REVISION\tCHANGE-CAUSE\n${rows.join('')}`, DESCRIBE_TABS);
  }
  return templateTextOf(found(revisions, revision));
}

/** What the pods of a revision are. */
export function templateTextOf({ template, changeCause }: Revision): string {
  const report = new Report();
  const annotations = {
    ...template.metadata?.annotations,
    ...(changeCause && { 'kubernetes.io/change-cause': changeCause }),
  };
  describePodTemplate(report, { ...template, metadata: { ...template.metadata, annotations } });
  return report.raw;
}
