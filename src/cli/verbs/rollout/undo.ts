/** `kedge rollout undo`: back to an earlier revision. */
import type { PodTemplateSpec } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { forEachTarget } from '../going-on.ts';
import { LAST_APPLIED } from '../last-applied.ts';
import { fileFlags } from '../manifests.ts';
import { OUTPUT_FLAGS, resultPrinter } from '../output/output-flags.ts';
import { pathOf } from '../served-resources.ts';
import { SELECTOR_FLAGS, type Target } from '../targets.ts';
import type { Verb, VerbCall } from '../verb.ts';
import { VerbError } from '../verb-error.ts';
import { DRY_RUN_FLAG, type DryRun, dryRunNote, dryRunOf } from '../writing.ts';
import { templateTextOf } from './history.ts';
import { REVISION, type Revision, revisionsOf } from './revisions.ts';
import { workloadsOf } from './steering.ts';

const HASH_LABEL = 'pod-template-hash';
/** What a Deployment keeps whatever revision it is at. */
const KEPT = [
  LAST_APPLIED,
  REVISION,
  'deployment.kubernetes.io/revision-history',
  'deployment.kubernetes.io/desired-replicas',
  'deployment.kubernetes.io/max-replicas',
  'deprecated.deployment.rollback.to',
];

export const undoVerb: Verb = {
  name: 'undo',
  summary: 'go back to an earlier revision',
  usage: '(TYPE NAME | TYPE/NAME) [flags]',
  flags: [
    ...fileFlags('that are meant'),
    ...OUTPUT_FLAGS,
    ...SELECTOR_FLAGS,
    DRY_RUN_FLAG,
    { name: 'to-revision', type: 'int', default: '0', summary: 'which revision; 0 is the one before' },
  ],
  async run(call) {
    const { flags, io } = call;
    const dryRun = dryRunOf(flags);
    const workloads = await workloadsOf(call);
    const print = resultPrinter(flags, io);
    await forEachTarget(workloads, async (target) => {
      warnOfApplied(call, target);
      io.out(print(target.object, (await rolledBack(call, target, dryRun)) + dryRunNote(dryRun)));
    });
  },
};

function warnOfApplied({ io, path }: VerbCall, { object, resource, name }: Target): void {
  const { annotations = {} } = (object as { metadata: { annotations?: Record<string, string> } }).metadata;
  const [program = ''] = path.split(' ');
  if (LAST_APPLIED in annotations)
    io.err(
      `Warning: resource ${resource.plural}/${name} was previously managed with '${program} apply'. Rolling back will not update the ${LAST_APPLIED} annotation, which may cause unexpected behavior on future '${program} apply' operations. Consider using '${program} apply' with your previous configuration file instead.\n`,
    );
}

async function rolledBack(call: VerbCall, target: Target, dryRun: DryRun): Promise<string> {
  const number = call.flags.int64('to-revision');
  const revisions = await revisionsOf(call, target, 'rollbacker');
  const to = chosen(revisions, number, target);
  const { spec, metadata } = target.object as {
    spec: { template: PodTemplateSpec; paused?: boolean };
    metadata: { annotations?: Record<string, string> };
  };
  if (spec.paused)
    throw new VerbError(
      "you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume' and try again",
    );
  if (isEqual(withoutHash(to.template), withoutHash(spec.template)))
    return `skipped rollback (current template already matches revision ${number})`;
  const query = { ...(dryRun === 'server' && { dryRun: 'All' }) };
  const path = pathOf(target.resource, { ...target, query });
  if (dryRun === 'client')
    return `${target.resource.kind === 'Deployment' ? '' : 'will roll back to '}${templateTextOf(to)}`;
  const request = to.patch
    ? { object: to.patch, contentType: 'application/strategic-merge-patch+json' }
    : { object: replacing(to, metadata.annotations ?? {}), contentType: 'application/json-patch+json' };
  await call.cluster.request({ method: 'PATCH', path, ...request });
  return 'rolled back';
}

function chosen(revisions: readonly Revision[], number: bigint, { name, resource }: Target): Revision {
  const found = number === 0n ? revisions.at(-2) : revisions.find((each) => each.number === number);
  if (found) return found;
  if (number !== 0n) throw new VerbError(`unable to find specified revision ${number} in history`);
  if (resource.kind === 'Deployment')
    throw new VerbError(`no rollout history found for deployment ${JSON.stringify(name)}`);
  throw new VerbError('no last revision to roll back to');
}

function withoutHash({ metadata, spec }: PodTemplateSpec): PodTemplateSpec {
  const { [HASH_LABEL]: _, ...labels } = metadata?.labels ?? {};
  return { metadata: { ...metadata, labels }, spec } as PodTemplateSpec;
}

function replacing({ template, annotations }: Revision, now: Readonly<Record<string, string>>): object[] {
  const kept = Object.entries(now).filter(([key]) => KEPT.includes(key));
  const brought = Object.entries(annotations).filter(([key]) => !KEPT.includes(key));
  return [
    { op: 'replace', path: '/spec/template', value: withoutHash(template) },
    { op: 'replace', path: '/metadata/annotations', value: Object.fromEntries([...kept, ...brought]) },
  ];
}
