/** Workloads: what they want, what there is of it, and the pods they make. */
import type {
  CronJob,
  DaemonSet,
  Deployment,
  Job,
  LabelSelector,
  PersistentVolumeClaim,
  Pod,
  PodTemplateSpec,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from '#api/generated/schema.ts';
import { humanDuration } from '#api/machinery/duration.ts';
import {
  formatLabelSelector,
  formatLabels,
  formatSelector,
  selectorFrom,
  selectorOfLabels,
} from '#api/machinery/label-selector.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { controllerOf, type DescribeContext, type Describer, listed } from './describer.ts';
import { describeEvents } from './events.ts';
import { describePodTemplate } from './pod-template.ts';
import { boolOrUnset, formatTime, goList, orNone, orUnset, type Report } from './report.ts';

const selectorText = (selector: LabelSelector | undefined): string => formatSelector(selectorFrom(selector));
const templateOf = (template: unknown): PodTemplateSpec => template as PodTemplateSpec;

function describeIdentity(report: Report, { metadata }: KubeObject, { created = false } = {}): void {
  report.field('Name', metadata.name);
  report.field('Namespace', metadata.namespace);
  if (created) report.field('CreationTimestamp', formatTime(metadata.creationTimestamp));
}

function describeLabels(report: Report, { metadata }: KubeObject): void {
  report.labels('Labels', metadata.labels);
  report.annotations('Annotations', metadata.annotations);
}

/** How many of the object's own pods are in which phase. */
async function describePods(
  report: Report,
  object: KubeObject,
  { labelSelector, ...context }: DescribeContext & { labelSelector: string },
): Promise<void> {
  const pods = await listed<Pod>(context, 'pods', { namespace: object.metadata.namespace, labelSelector });
  const own = pods.filter(({ metadata }) =>
    metadata.ownerReferences?.some(({ controller, uid }) => controller && uid === object.metadata.uid),
  );
  const count = (phase: string) => own.filter(({ status }) => status?.phase === phase).length;
  report.field(
    'Pods Status',
    `${count('Running')} Running / ${count('Pending')} Waiting / ${count('Succeeded')} Succeeded / ${count('Failed')} Failed`,
  );
}

export const deploymentDescriber: Describer<Deployment> = {
  kind: 'Deployment.apps',
  async describe(report, deployment, context) {
    const { spec, status = {} } = deployment;
    describeIdentity(report, deployment, { created: true });
    describeLabels(report, deployment);
    report.field('Selector', selectorText(spec.selector));
    const { updatedReplicas = 0, replicas = 0, availableReplicas = 0, unavailableReplicas = 0 } = status;
    report.field(
      'Replicas',
      `${spec.replicas} desired | ${updatedReplicas} updated | ${replicas} total | ${availableReplicas} available | ${unavailableReplicas} unavailable`,
    );
    report.field('StrategyType', spec.strategy?.type);
    report.field('MinReadySeconds', spec.minReadySeconds ?? 0);
    const { rollingUpdate } = spec.strategy ?? {};
    if (rollingUpdate)
      report.field(
        'RollingUpdateStrategy',
        `${rollingUpdate.maxUnavailable} max unavailable, ${rollingUpdate.maxSurge} max surge`,
      );
    describePodTemplate(report, templateOf(spec.template));
    report.conditions(status.conditions);
    await describeReplicaSets(report, deployment, context);
    await describeEvents(report, deployment, context);
  },
};

async function describeReplicaSets(report: Report, deployment: Deployment, context: DescribeContext): Promise<void> {
  const labelSelector = selectorText(deployment.spec.selector);
  const all = await listed<ReplicaSet>(context, 'replicasets.apps', {
    namespace: deployment.metadata.namespace,
    labelSelector,
  });
  const own = all.filter(({ metadata }) =>
    metadata.ownerReferences?.some(({ uid }) => uid === deployment.metadata.uid),
  );
  if (own.length === 0) return;
  const revision = deployment.metadata.annotations?.[REVISION];
  const isNew = ({ metadata }: ReplicaSet) => metadata.annotations?.[REVISION] === revision;
  const told = (sets: readonly ReplicaSet[]) =>
    orNone(
      sets
        .map(
          ({ metadata, spec, status }) =>
            `${metadata.name} (${status?.replicas ?? 0}/${spec.replicas} replicas created)`,
        )
        .join(', '),
    );
  report.field('OldReplicaSets', told(own.filter((set) => !isNew(set))));
  report.field('NewReplicaSet', told(own.filter(isNew)));
}

const REVISION = 'deployment.kubernetes.io/revision';

export const replicaSetDescriber: Describer<ReplicaSet> = {
  kind: 'ReplicaSet.apps',
  async describe(report, set, context) {
    const { spec, status } = set;
    describeIdentity(report, set);
    report.field('Selector', formatLabelSelector(spec.selector));
    describeLabels(report, set);
    report.fieldIf('Controlled By', controllerOf(set));
    report.field('Replicas', `${status?.replicas ?? 0} current / ${spec.replicas} desired`);
    await describePods(report, set, { ...context, labelSelector: selectorText(spec.selector) });
    describePodTemplate(report, templateOf(spec.template));
    report.conditions(status?.conditions);
    await describeEvents(report, set, context);
  },
};

export const replicationControllerDescriber: Describer<ReplicationController> = {
  kind: 'ReplicationController',
  async describe(report, controller, context) {
    const { spec, status } = controller;
    describeIdentity(report, controller);
    report.field('Selector', formatLabels(spec.selector));
    describeLabels(report, controller);
    report.field('Replicas', `${status?.replicas ?? 0} current / ${spec.replicas} desired`);
    const labelSelector = formatSelector(selectorOfLabels(spec.selector ?? {}));
    await describePods(report, controller, { ...context, labelSelector });
    describePodTemplate(report, templateOf(spec.template));
    report.conditions(status?.conditions);
    await describeEvents(report, controller, context);
  },
};

export const statefulSetDescriber: Describer<StatefulSet> = {
  kind: 'StatefulSet.apps',
  async describe(report, set, context) {
    const { spec, status } = set;
    describeIdentity(report, set, { created: true });
    report.field('Selector', selectorText(spec.selector));
    describeLabels(report, set);
    report.field('Replicas', `${spec.replicas} desired | ${status?.replicas ?? 0} total`);
    report.field('Update Strategy', spec.updateStrategy?.type);
    const { partition, maxUnavailable } = spec.updateStrategy?.rollingUpdate ?? {};
    if (partition !== undefined) {
      report.field('Partition', partition, 1);
      report.fieldIf('MaxUnavailable', maxUnavailable, 1);
    }
    await describePods(report, set, { ...context, labelSelector: selectorText(spec.selector) });
    describePodTemplate(report, templateOf(spec.template));
    describeClaimTemplates(report, spec.volumeClaimTemplates as PersistentVolumeClaim[] | undefined);
    await describeEvents(report, set, context);
  },
};

function describeClaimTemplates(report: Report, templates: readonly PersistentVolumeClaim[] = []): void {
  if (templates.length === 0) {
    report.field('Volume Claims', '<none>');
    return;
  }
  report.line(0, 'Volume Claims:');
  for (const { metadata, spec } of templates) {
    report.field('Name', metadata.name, 1);
    report.field('StorageClass', spec.storageClassName ?? '', 1);
    report.labels('Labels', metadata.labels, '  ');
    report.labels('Annotations', metadata.annotations, '  ');
    report.field('Capacity', spec.resources?.requests?.['storage'] ?? '<default>', 1);
    report.field('Access Modes', goList(spec.accessModes), 1);
  }
}

export const daemonSetDescriber: Describer<DaemonSet> = {
  kind: 'DaemonSet.apps',
  async describe(report, set, context) {
    const { spec, status } = set;
    describeIdentity(report, set);
    report.field('Selector', selectorText(spec.selector));
    report.field('Node-Selector', formatLabels(templateOf(spec.template).spec?.nodeSelector));
    describeLabels(report, set);
    report.line(0, `Desired Number of Nodes Scheduled: ${status?.desiredNumberScheduled ?? 0}`);
    report.line(0, `Current Number of Nodes Scheduled: ${status?.currentNumberScheduled ?? 0}`);
    report.line(0, `Number of Nodes Scheduled with Up-to-date Pods: ${status?.updatedNumberScheduled ?? 0}`);
    report.line(0, `Number of Nodes Scheduled with Available Pods: ${status?.numberAvailable ?? 0}`);
    report.line(0, `Number of Nodes Misscheduled: ${status?.numberMisscheduled ?? 0}`);
    await describePods(report, set, { ...context, labelSelector: selectorText(spec.selector) });
    describePodTemplate(report, templateOf(spec.template));
    await describeEvents(report, set, context);
  },
};

const MOST_INDEXES = 50;

export const jobDescriber: Describer<Job> = {
  kind: 'Job.batch',
  async describe(report, job, context) {
    const { spec, status = {} } = job;
    describeIdentity(report, job);
    report.field('Selector', selectorText(spec.selector));
    describeLabels(report, job);
    report.fieldIf('Controlled By', controllerOf(job));
    report.fieldIf('Parallelism', spec.parallelism);
    report.field('Completions', orUnset(spec.completions));
    report.fieldIf('Completion Mode', spec.completionMode);
    report.fieldIf('Suspend', spec.suspend);
    report.fieldIf('Backoff Limit', spec.backoffLimit);
    report.fieldIf('TTL Seconds After Finished', spec.ttlSecondsAfterFinished);
    describeTimes(report, job);
    const { active = 0, ready, succeeded = 0, failed = 0 } = status;
    const isReady = ready === undefined ? '' : ` (${ready} Ready)`;
    report.field('Pods Statuses', `${active} Active${isReady} / ${succeeded} Succeeded / ${failed} Failed`);
    if (spec.completionMode === 'Indexed') report.field('Completed Indexes', indexes(status.completedIndexes ?? ''));
    describePodTemplate(report, templateOf(spec.template));
    await describeEvents(report, job, context);
  },
};

function describeTimes(report: Report, { spec, status = {} }: Job): void {
  const { startTime, completionTime } = status;
  if (startTime) report.field('Start Time', formatTime(startTime));
  if (completionTime) report.field('Completed At', formatTime(completionTime));
  if (startTime && completionTime)
    report.field('Duration', humanDuration(Date.parse(completionTime) - Date.parse(startTime)));
  if (spec.activeDeadlineSeconds !== undefined)
    report.field('Active Deadline Seconds', `${spec.activeDeadlineSeconds}s`);
}

/** Cut behind a whole index. */
function indexes(text: string): string {
  if (text.length <= MOST_INDEXES) return orNone(text);
  const cut = text.slice(0, MOST_INDEXES);
  return `${cut.slice(0, cut.lastIndexOf(',') + 1)}...`;
}

export const cronJobDescriber: Describer<CronJob> = {
  kind: 'CronJob.batch',
  async describe(report, cronJob, context) {
    const { spec, status = {} } = cronJob;
    describeIdentity(report, cronJob);
    describeLabels(report, cronJob);
    report.field('Schedule', spec.schedule);
    report.field('Concurrency Policy', spec.concurrencyPolicy);
    report.field('Suspend', boolOrUnset(spec.suspend));
    report.field('Time Zone', orUnset(spec.timeZone));
    report.field('Successful Job History Limit', orUnset(spec.successfulJobsHistoryLimit));
    report.field('Failed Job History Limit', orUnset(spec.failedJobsHistoryLimit));
    const deadline = spec.startingDeadlineSeconds;
    report.field('Starting Deadline Seconds', deadline === undefined ? '<unset>' : `${deadline}s`);
    const job = spec.jobTemplate.spec as Job['spec'];
    report.field('Selector', job.selector ? selectorText(job.selector) : '<unset>');
    report.field('Parallelism', orUnset(job.parallelism));
    report.field('Completions', orUnset(job.completions));
    if (job.activeDeadlineSeconds !== undefined)
      report.field('Active Deadline Seconds', `${job.activeDeadlineSeconds}s`);
    describePodTemplate(report, templateOf(job.template));
    report.field('Last Schedule Time', status.lastScheduleTime ? formatTime(status.lastScheduleTime) : '<unset>');
    report.field('Active Jobs', orNone((status.active ?? []).map(({ name }) => name).join(', ')));
    await describeEvents(report, cronJob, context);
  },
};
