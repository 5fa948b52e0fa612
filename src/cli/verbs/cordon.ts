/** `kedge cordon` and `kedge uncordon`: whether pods may be put on a node. */
import type { Node } from '#api/generated/schema.ts';
import { forEachTarget } from './going-on.ts';
import { pathOf } from './served-resources.ts';
import { SELECTOR_FLAGS, type Target, targetsOf } from './targets.ts';
import type { Verb, VerbCall } from './verb.ts';
import { unexpected } from './verb-error.ts';
import { DRY_RUN_FLAG, dryRunNote, dryRunOf } from './writing.ts';

export const cordonVerb = cordoning('cordon', 'let no more pods be put on a node', true);
export const uncordonVerb = cordoning('uncordon', 'let pods be put on a node again', false);

function cordoning(name: string, summary: string, isCordoned: boolean): Verb {
  return {
    name,
    summary,
    usage: 'NODE',
    flags: [...SELECTOR_FLAGS, DRY_RUN_FLAG],
    async run(call) {
      await forEachTarget(await nodesOf(call), (target) => setCordoned(call, target, isCordoned));
    },
  };
}

/** Those that are named, or selected. */
export async function nodesOf(call: VerbCall): Promise<{ targets: Target[]; errors: unknown[] }> {
  const { args, flags, path } = call;
  const verb = path.split(' ').at(-1);
  if (args.length === 0 && !flags.has('selector')) throw unexpected(`USAGE: ${verb} NODE [flags]`, path);
  if (args.length > 0 && flags.has('selector'))
    throw unexpected('cannot specify both a node name and a --selector option', path);
  const named = args.map((arg) => (arg.includes('/') ? arg : `nodes/${arg}`));
  const found = await targetsOf(
    { ...call, args: args.length > 0 ? named : ['nodes'] },
    { latest: true, wholeTypes: true },
  );
  // One that is not there keeps the others from being touched.
  if (found.errors.length > 0) throw found.errors[0];
  return found;
}

/** Tells what it did; a node that is so already stays as it is. */
export async function setCordoned(call: VerbCall, target: Target, isCordoned: boolean): Promise<void> {
  const { flags, cluster, io } = call;
  const dryRun = dryRunOf(flags);
  const done = isCordoned ? 'cordoned' : 'uncordoned';
  const { spec } = target.object as Node;
  if ((spec.unschedulable ?? false) === isCordoned) {
    io.out(`node/${target.name} already ${done}${dryRunNote(dryRun)}\n`);
    return;
  }
  if (dryRun !== 'client') {
    const query = dryRun === 'server' ? { dryRun: 'All' } : {};
    await cluster.request({
      method: 'PATCH',
      path: pathOf(target.resource, { name: target.name, query }),
      object: { spec: { unschedulable: isCordoned ? true : null } },
      contentType: 'application/strategic-merge-patch+json',
    });
  }
  io.out(`node/${target.name} ${done}${dryRunNote(dryRun)}\n`);
}
