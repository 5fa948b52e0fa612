/** Why a Service has nobody to lead to: no pod of that kind, none that is ready and what its probe last said, or no such port. */

import { conditionOf, isReady, isTerminal } from '#api/core/v1/pod-conditions.ts';
import { hasSelector, selects, targetPortOn } from '#api/core/v1/service/targets.ts';
import type { ContainerStatus, Pod, Service, ServicePort } from '#api/generated/schema.ts';
import { keyOf } from '#api/machinery/object.ts';
import { fewOf } from './hop.ts';
import { isUnseen, type Known } from './known.ts';
import { labelsText } from './objects.ts';

export interface Trouble {
  why: string;
  next?: string;
  details?: readonly string[];
}

export function whyNoEndpoints(service: Service, port: ServicePort, known: Known): Trouble {
  const { namespace = '', name } = service.metadata;
  if (!hasSelector(service))
    return {
      why: 'the Service has no selector, and nobody made EndpointSlices for it',
      next: `give it a selector, or make an EndpointSlice with the label kubernetes.io/service-name=${name}`,
    };
  const found = known.find({ type: 'pods', namespace });
  if (!found) return { why: 'its pods have not been looked at' };
  if (isUnseen(found)) return { why: `its pods cannot be seen: ${found.unseen}` };
  const pods = found.filter((pod) => selects(service, pod));
  if (pods.length === 0) return noPods(service, found);
  const troubles = pods.map((pod) => ({ pod, trouble: podTrouble(pod, known) ?? portTrouble(pod, port) }));
  const inTrouble = troubles.filter(({ trouble }) => trouble !== undefined);
  const [first] = inTrouble;
  if (!first?.trouble)
    return { why: 'its pods are ready, and their EndpointSlices are not written yet', next: 'try again' };
  const others = inTrouble.slice(1).map(({ pod, trouble }) => `pod ${keyOf(pod)}: ${trouble?.why}`);
  return {
    ...first.trouble,
    why: `pod ${keyOf(first.pod)}: ${first.trouble.why}`,
    ...(others.length > 0 && { details: others.slice(0, 3) }),
  };
}

function noPods(service: Service, pods: readonly Pod[]): Trouble {
  const selector = service.spec.selector ?? {};
  const keys = Object.keys(selector);
  const near = pods
    .map(({ metadata }) =>
      labelsText(Object.fromEntries(Object.entries(metadata.labels ?? {}).filter(([key]) => keys.includes(key)))),
    )
    .filter(Boolean);
  const there = [...new Set(near)];
  const why = `no pod in namespace ${service.metadata.namespace} has the labels ${labelsText(selector)}`;
  return {
    why: there.length > 0 ? `${why}; there are ${fewOf(there)}` : why,
    next: 'make the selector of the Service and the labels of its pods agree',
  };
}

/** undefined: traffic may go to the pod. */
export function podTrouble(pod: Pod, known: Known): Trouble | undefined {
  const { namespace = '', name } = pod.metadata;
  const ask = (command: string) => `kubectl -n ${namespace} ${command}`;
  if (pod.metadata.deletionTimestamp) return { why: 'it is being deleted' };
  if (isTerminal(pod)) {
    const reason = pod.status?.reason ?? pod.status?.phase;
    return { why: `it has ended (${reason})`, next: ask(`logs ${name}`) };
  }
  if (!pod.spec.nodeName) {
    const message = conditionOf(pod, 'PodScheduled')?.message;
    return { why: `it has no node${message ? `: ${message}` : ''}`, next: `kedge why pod/${name} -n ${namespace}` };
  }
  const stuck = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])].find(isStuck);
  if (stuck) return containerTrouble(stuck, ask, name);
  if (isReady(pod)) return undefined;
  return probeTrouble(pod, known) ?? notReadyTrouble(pod, ask);
}

const isStuck = ({ state, ready, started }: ContainerStatus): boolean =>
  state?.waiting !== undefined ||
  (state?.terminated !== undefined && !ready && started !== true && state.terminated.exitCode !== 0);

function containerTrouble(
  { name, state, lastState }: ContainerStatus,
  ask: (command: string) => string,
  pod: string,
): Trouble {
  const { reason = 'waits', message } = state?.waiting ?? {};
  const ended = state?.terminated ?? lastState?.terminated;
  const last = ended ? `; it last ended with code ${ended.exitCode}${ended.reason ? ` (${ended.reason})` : ''}` : '';
  if (reason === 'CrashLoopBackOff' || state?.terminated)
    return {
      why: `container ${name} ${reason === 'CrashLoopBackOff' ? 'crashes again and again' : 'has ended'}${last}`,
      next: ask(`logs ${pod} -c ${name} --previous`),
    };
  if (reason === 'PodInitializing' || reason === 'ContainerCreating')
    return { why: `container ${name} is only being started (${reason})`, next: ask(`describe pod ${pod}`) };
  return { why: `container ${name}: ${reason}${message ? `: ${message}` : ''}`, next: ask(`describe pod ${pod}`) };
}

/** By the last event that a probe of the pod left. */
function probeTrouble(pod: Pod, known: Known): Trouble | undefined {
  const { namespace = '', name } = pod.metadata;
  const unready = (pod.status?.containerStatuses ?? []).find(({ ready }) => !ready);
  if (!unready) return undefined;
  const container = pod.spec.containers.find((each) => each.name === unready.name);
  const which =
    container?.startupProbe && unready.started === false
      ? 'startup'
      : container?.readinessProbe
        ? 'readiness'
        : undefined;
  if (!which) return undefined;
  const probe = which === 'startup' ? container?.startupProbe : container?.readinessProbe;
  const at = probe?.httpGet
    ? ` (GET ${probe.httpGet.path ?? '/'} at port ${probe.httpGet.port})`
    : probe?.tcpSocket
      ? ` (TCP port ${probe.tcpSocket.port})`
      : probe?.exec
        ? ` (${(probe.exec.command ?? []).join(' ')})`
        : '';
  const events = known.find({ type: 'events', namespace, pod: name });
  const last =
    events && !isUnseen(events)
      ? events
          .filter(({ reason, message }) => reason === 'Unhealthy' && message?.toLowerCase().startsWith(which))
          .sort((a, b) => timeOf(a) - timeOf(b))
          .at(-1)?.message
      : undefined;
  return {
    why: `the ${which} probe of container ${unready.name}${at} fails${last ? `: ${last.trim()}` : ''}`,
    next: `make the container answer its probe, or mend the probe: kubectl -n ${namespace} describe pod ${name}`,
  };
}

const timeOf = ({
  lastTimestamp,
  eventTime,
  metadata,
}: {
  lastTimestamp?: string;
  eventTime?: string;
  metadata: { creationTimestamp?: string };
}): number => Date.parse(lastTimestamp ?? eventTime ?? metadata.creationTimestamp ?? '') || 0;

function notReadyTrouble(pod: Pod, ask: (command: string) => string): Trouble {
  const gate = (pod.spec.readinessGates ?? []).find(
    ({ conditionType }) => conditionOf(pod, conditionType)?.status !== 'True',
  );
  if (gate) return { why: `its readiness gate ${gate.conditionType} is not true` };
  const message = conditionOf(pod, 'Ready')?.message;
  return { why: `it is not ready${message ? `: ${message}` : ''}`, next: ask(`describe pod ${pod.metadata.name}`) };
}

/** The pod is ready, and has no port by the name that the Service wants. */
function portTrouble(pod: Pod, port: ServicePort): Trouble | undefined {
  if (targetPortOn(pod, port) !== undefined) return undefined;
  const names = pod.spec.containers.flatMap(({ ports = [] }) =>
    ports.flatMap(({ name, containerPort }) => (name ? [`${name} (${containerPort})`] : [])),
  );
  return {
    why: `it has no port named ${port.targetPort}, which is the targetPort of the Service; it has ${fewOf(names) || 'no named ports'}`,
    next: 'name the port in the pod, or give the Service another targetPort',
  };
}
