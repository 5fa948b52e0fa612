/** `kedge rollout pause`, `resume` and `restart`: small changes of the spec that steer a rollout. */
import { timestampOf } from '#api/machinery/timestamp.ts';
import { forEachTarget } from '../going-on.ts';
import { fileFlags } from '../manifests.ts';
import { OUTPUT_FLAGS, resultPrinter } from '../output/output-flags.ts';
import { groupResourceOf, pathOf, type ServedResource } from '../served-resources.ts';
import { SELECTOR_FLAGS, type Target, targetsOf } from '../targets.ts';
import type { Verb, VerbCall } from '../verb.ts';
import { VerbError } from '../verb-error.ts';
import { fieldManagerFlag, writeQuery } from '../writing.ts';

interface Step {
  name: 'pause' | 'resume' | 'restart';
  summary: string;
  operation: string;
  /** The patch; a text says why there is none. */
  patch(workload: Workload, kind: string, nowMs: number): object | string;
}

interface Workload {
  spec: { paused?: boolean };
}

const RESTARTED = ['Deployment', 'DaemonSet', 'StatefulSet'];

const STEPS: readonly Step[] = [
  {
    name: 'pause',
    summary: 'stop a rollout where it is',
    operation: 'paused',
    patch({ spec }, kind) {
      if (kind !== 'Deployment') return 'pausing is not supported';
      return spec.paused ? 'is already paused' : { spec: { paused: true } };
    },
  },
  {
    name: 'resume',
    summary: 'go on with a rollout that was stopped',
    operation: 'resumed',
    patch({ spec }, kind) {
      if (kind !== 'Deployment') return 'resuming is not supported';
      return spec.paused ? { spec: { paused: null } } : 'is not paused';
    },
  },
  {
    name: 'restart',
    summary: 'replace all pods, one after the other',
    operation: 'restarted',
    patch({ spec }, kind, nowMs) {
      if (!RESTARTED.includes(kind)) return 'restarting is not supported';
      if (spec.paused) return "can't restart paused deployment (run rollout resume first)";
      const annotations = { 'kubectl.kubernetes.io/restartedAt': timestampOf(nowMs) };
      return { spec: { template: { metadata: { annotations } } } };
    },
  },
];

const [pause, resume, restart] = STEPS.map(verbOf) as [Verb, Verb, Verb];
export { pause as pauseVerb, restart as restartVerb, resume as resumeVerb };

function verbOf(step: Step): Verb {
  return {
    name: step.name,
    summary: step.summary,
    usage: 'RESOURCE',
    flags: [...fileFlags('that are meant'), ...OUTPUT_FLAGS, ...SELECTOR_FLAGS, fieldManagerFlag('kubectl-rollout')],
    run: (call) => steer(call, step),
  };
}

async function steer(call: VerbCall, step: Step): Promise<void> {
  const { flags, io, cluster } = call;
  const workloads = await workloadsOf(call);
  const print = resultPrinter(flags, io);
  await forEachTarget(workloads, async (target) => {
    const patch = step.patch(target.object as Workload, target.resource.kind, io.clock.now());
    if (typeof patch === 'string')
      throw new VerbError(`error: ${groupResourceOf(target.resource)} ${JSON.stringify(target.name)} ${patch}`);
    if (step.name === 'restart') refuseSecondRestart(target, patch);
    const path = pathOf(target.resource, { ...target, query: writeQuery(flags, { dryRun: 'none' }) });
    const contentType = 'application/merge-patch+json';
    const { object } = await cluster.request({ method: 'PATCH', path, object: patch, contentType });
    io.out(print(object, step.operation));
  });
}

/** The time of a restart is told in seconds: a second one within its second would change nothing. */
export function refuseSecondRestart({ object, name }: Pick<Target, 'object' | 'name'>, patch: object): void {
  const { template } = (object as { spec: { template?: { metadata?: { annotations?: Record<string, string> } } } })
    .spec;
  const wanted = (patch as { spec: { template: { metadata: { annotations: Record<string, string> } } } }).spec;
  const [[key, value] = ['', '']] = Object.entries(wanted.template.metadata.annotations);
  if (template?.metadata?.annotations?.[key] === value)
    throw new VerbError(
      `failed to create patch for ${name}: if restart has already been triggered within the past second, please wait before attempting to trigger another`,
    );
}

/** What the command line names, as it is stored. */
export async function workloadsOf(call: VerbCall): Promise<{ targets: Target[]; errors: unknown[] }> {
  const { args, flags, io, cluster } = call;
  if (args.length === 0 && flags.list('filename').length === 0) throw new VerbError('required resource not specified');
  const found = await targetsOf(call, { latest: true, wholeTypes: true });
  if (found.targets.length === 0 && found.errors.length === 0)
    io.err(`No resources found in ${cluster.namespace} namespace.\n`);
  return found;
}

export const isKind = (resource: ServedResource, kind: string): boolean =>
  resource.group === 'apps' && resource.kind === kind;
