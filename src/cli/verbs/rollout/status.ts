/** `kedge rollout status`: how far a rollout is, until it is done. Source: kubectl, polymorphichelpers. */
import type { DaemonSet, Deployment, StatefulSet } from '#api/generated/schema.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { follow, TimedOut } from '../following.ts';
import { forEachTarget } from '../going-on.ts';
import { fileFlags } from '../manifests.ts';
import { SELECTOR_FLAGS, type Target } from '../targets.ts';
import type { Verb, VerbCall } from '../verb.ts';
import { VerbError } from '../verb-error.ts';
import { revisionIn } from './revisions.ts';
import { workloadsOf } from './steering.ts';

/** One line, and whether it is the last. */
export interface Progress {
  text: string;
  isDone: boolean;
}

export const statusVerb: Verb = {
  name: 'status',
  summary: 'tell how far a rollout is',
  usage: '(TYPE NAME | TYPE/NAME) [flags]',
  flags: [
    ...fileFlags('that are meant'),
    ...SELECTOR_FLAGS,
    { name: 'watch', short: 'w', type: 'bool', default: 'true', summary: 'until it is done' },
    { name: 'revision', type: 'int', default: '0', summary: 'of this revision, and no other' },
    { name: 'timeout', type: 'duration', default: '0s', summary: 'how long to wait; 0 for ever' },
  ],
  async run(call) {
    const revision = call.flags.int64('revision');
    if (revision < 0) throw new VerbError(`revision must be a positive integer: ${revision}`);
    await forEachTarget(await workloadsOf(call), (target) => tell(call, target));
  },
};

async function tell(call: VerbCall, target: Target): Promise<void> {
  const { flags, io } = call;
  const progressOf = PROGRESS[target.resource.kind];
  if (!progressOf || target.resource.group !== 'apps') {
    const { group, kind } = target.resource;
    throw new VerbError(`no status viewer has been implemented for ${group ? `${kind}.${group}` : kind}`);
  }
  const look = (object: KubeObject | undefined) => {
    if (!object) throw new VerbError('object has been deleted');
    const { text, isDone } = progressOf(object as never, flags.int64('revision'));
    io.out(text);
    return isDone || !flags.bool('watch') ? ('done' as const) : undefined;
  };
  try {
    await follow(call, target, { timeoutMs: flags.milliseconds('timeout'), look });
  } catch (error) {
    throw error instanceof TimedOut ? new VerbError('timed out waiting for the condition') : error;
  }
}

const going = (text: string): Progress => ({ text: `${text}\n`, isDone: false });
const done = (text: string): Progress => ({ text: `${text}\n`, isDone: true });

export function deploymentProgress({ metadata, spec, status = {} }: Deployment, revision = 0n): Progress {
  const running = revisionIn(metadata.annotations);
  if (revision > 0 && revision !== running)
    throw new VerbError(`desired revision (${revision}) is different from the running revision (${running})`);
  if ((metadata.generation ?? 0) > (status.observedGeneration ?? 0))
    return going('Waiting for deployment spec update to be observed...');
  const { replicas = 0, updatedReplicas = 0, availableReplicas = 0 } = status;
  const name = JSON.stringify(metadata.name);
  const progressing = status.conditions?.find(({ type }) => type === 'Progressing');
  if (progressing?.reason === 'ProgressDeadlineExceeded')
    throw new VerbError(`deployment ${name} exceeded its progress deadline`);
  const waiting = `Waiting for deployment ${name} rollout to finish:`;
  if (updatedReplicas < (spec.replicas ?? 1))
    return going(`${waiting} ${updatedReplicas} out of ${spec.replicas} new replicas have been updated...`);
  if (replicas > updatedReplicas)
    return going(`${waiting} ${replicas - updatedReplicas} old replicas are pending termination...`);
  if (availableReplicas < updatedReplicas)
    return going(`${waiting} ${availableReplicas} of ${updatedReplicas} updated replicas are available...`);
  return done(`deployment ${name} successfully rolled out`);
}

export function daemonSetProgress({ metadata, spec, status }: DaemonSet): Progress {
  if (spec.updateStrategy?.type !== 'RollingUpdate')
    throw new VerbError('rollout status is only available for RollingUpdate strategy type');
  if ((metadata.generation ?? 0) > (status?.observedGeneration ?? 0))
    return going('Waiting for daemon set spec update to be observed...');
  const { updatedNumberScheduled = 0, desiredNumberScheduled = 0, numberAvailable = 0 } = status ?? {};
  const name = JSON.stringify(metadata.name);
  const waiting = `Waiting for daemon set ${name} rollout to finish:`;
  if (updatedNumberScheduled < desiredNumberScheduled)
    return going(`${waiting} ${updatedNumberScheduled} out of ${desiredNumberScheduled} new pods have been updated...`);
  if (numberAvailable < desiredNumberScheduled)
    return going(`${waiting} ${numberAvailable} of ${desiredNumberScheduled} updated pods are available...`);
  return done(`daemon set ${name} successfully rolled out`);
}

export function statefulSetProgress({ metadata, spec, status }: StatefulSet): Progress {
  if (spec.updateStrategy?.type !== 'RollingUpdate')
    throw new VerbError('rollout status is only available for RollingUpdate strategy type');
  const { observedGeneration = 0, readyReplicas = 0, updatedReplicas = 0, currentReplicas = 0 } = status ?? {};
  if (observedGeneration === 0 || (metadata.generation ?? 0) > observedGeneration)
    return going('Waiting for statefulset spec update to be observed...');
  const replicas = spec.replicas ?? 1;
  if (readyReplicas < replicas) return going(`Waiting for ${replicas - readyReplicas} pods to be ready...`);
  const { rollingUpdate } = spec.updateStrategy;
  if (rollingUpdate) {
    const { partition = 0 } = rollingUpdate;
    if (updatedReplicas < replicas - partition)
      return going(
        `Waiting for partitioned roll out to finish: ${updatedReplicas} out of ${replicas - partition} new pods have been updated...`,
      );
    return done(`partitioned roll out complete: ${updatedReplicas} new pods have been updated...`);
  }
  if (status?.updateRevision !== status?.currentRevision)
    return going(
      `waiting for statefulset rolling update to complete ${updatedReplicas} pods at revision ${status?.updateRevision}...`,
    );
  return done(`statefulset rolling update complete ${currentReplicas} pods at revision ${status?.currentRevision}...`);
}

const PROGRESS: Readonly<Record<string, (object: never, revision: bigint) => Progress>> = {
  Deployment: deploymentProgress,
  DaemonSet: daemonSetProgress,
  StatefulSet: statefulSetProgress,
};
