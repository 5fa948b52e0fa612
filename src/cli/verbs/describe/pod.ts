/** A pod, and where it stands. */

import { qosClassOf } from '#api/core/v1/pod-qos.ts';
import type { Container, Pod, PodStatus } from '#api/generated/schema.ts';
import { humanSince } from '#api/machinery/duration.ts';
import { describeContainers, resources } from './containers.ts';
import { controllerOf, type Describer } from './describer.ts';
import { printEvents } from './events.ts';
import { describeSpread, tolerationTexts } from './pod-template.ts';
import { formatTime, type Report } from './report.ts';
import { describeVolumes } from './volumes.ts';

const NO_STATUS: PodStatus = { phase: 'Unknown' };
const MIRROR = 'kubernetes.io/config.mirror';

export const podDescriber: Describer<Pod> = {
  kind: 'Pod',
  async describe(report, pod, { events, nowMs }) {
    const { metadata, spec, status = NO_STATUS } = pod;
    report.field('Name', metadata.name);
    report.field('Namespace', metadata.namespace);
    report.fieldIf('Priority', spec.priority);
    report.fieldIf('Priority Class Name', spec.priorityClassName);
    report.fieldIf('Runtime Class Name', spec.runtimeClassName);
    report.fieldIf('Service Account', spec.serviceAccountName);
    report.field('Node', spec.nodeName ? `${spec.nodeName}/${status.hostIP ?? ''}` : '<none>');
    if (status.startTime) report.field('Start Time', formatTime(status.startTime));
    report.labels('Labels', metadata.labels);
    report.annotations('Annotations', metadata.annotations);
    describeState(report, pod, nowMs);
    describeAddresses(report, pod);
    report.fieldIf('Controlled By', controllerOf(pod));
    report.fieldIf('NominatedNodeName', status.nominatedNodeName);
    if (spec.resources) {
      report.line(0, 'Resources:');
      resources(report, spec.resources, 1);
    }
    describeAllContainers(report, pod);
    describeConditions(report, pod);
    describeVolumes(report, spec.volumes);
    report.field('QoS Class', status.qosClass ?? qosClassOf(pod));
    report.labels('Node-Selectors', spec.nodeSelector);
    report.values('Tolerations', tolerationTexts(spec.tolerations));
    describeSpread(report, spec.topologySpreadConstraints);
    // The kubelet's events of a mirror pod name the static pod, which has another UID.
    const uid = metadata.annotations?.[MIRROR] ?? metadata.uid;
    if (events) printEvents(report, await events(pod, { kind: '', ...(uid && { uid }) }), nowMs);
  },
};

function describeState(report: Report, { metadata, spec, status = NO_STATUS }: Pod, nowMs: number): void {
  const isOver = status.phase === 'Failed' || status.phase === 'Succeeded';
  if (metadata.deletionTimestamp && !isOver) {
    report.field('Status', `Terminating (lasts ${humanSince(metadata.deletionTimestamp, nowMs)})`);
    report.field('Termination Grace Period', `${metadata.deletionGracePeriodSeconds}s`);
  } else report.field('Status', status.phase ?? '');
  report.fieldIf('Reason', status.reason);
  report.fieldIf('Message', status.message);
  const { seccompProfile } = spec.securityContext ?? {};
  if (!seccompProfile) return;
  report.field('SeccompProfile', seccompProfile.type);
  if (seccompProfile.type === 'Localhost') report.field('LocalhostProfile', seccompProfile.localhostProfile);
}

function describeAddresses(report: Report, { status = NO_STATUS }: Pod): void {
  report.field('IP', status.podIP ?? '');
  const { podIPs = [] } = status;
  if (podIPs.length === 0) {
    report.field('IPs', '<none>');
    return;
  }
  report.line(0, 'IPs:');
  for (const { ip } of podIPs) report.field('IP', ip, 1);
}

function describeAllContainers(report: Report, pod: Pod): void {
  const { spec, status = NO_STATUS } = pod;
  const indent = '';
  const { initContainers = [], containers, ephemeralContainers = [] } = spec;
  if (initContainers.length > 0)
    describeContainers(report, 'Init Containers', {
      containers: initContainers,
      statuses: status.initContainerStatuses,
      indent,
      pod,
    });
  describeContainers(report, 'Containers', { containers, statuses: status.containerStatuses, indent, pod });
  if (ephemeralContainers.length === 0) return;
  const statuses = status.ephemeralContainerStatuses;
  describeContainers(report, 'Ephemeral Containers', {
    containers: ephemeralContainers as Container[],
    statuses,
    indent,
    pod,
  });
}

function describeConditions(report: Report, { spec, status = NO_STATUS }: Pod): void {
  const { conditions = [] } = status;
  if (spec.readinessGates?.length) {
    report.line(0, 'Readiness Gates:\n  Type\tStatus');
    for (const { conditionType } of spec.readinessGates) {
      const found = conditions.find(({ type }) => type === conditionType);
      report.line(1, `${conditionType} \t${found?.status ?? '<none>'} `);
    }
  }
  if (conditions.length === 0) return;
  report.line(0, 'Conditions:\n  Type\tStatus');
  for (const { type, status: is } of conditions) report.line(1, `${type} \t${is} `);
}
