/** Whether somebody in the pod takes the request: the container's port, its readiness, and who listens there now. */
import type { Pod } from '#api/generated/schema.ts';
import { keyOf } from '#api/machinery/object.ts';
import { podTrouble } from './endpoint-trouble.ts';
import { breaks, fewOf, type Hop, passes, unknown } from './hop.ts';
import { isUnseen, type Known } from './known.ts';

export function podHop(pod: Pod, port: number, known: Known): Hop {
  const node = pod.spec.nodeName ?? '';
  const container = pod.spec.containers.find(({ ports = [] }) =>
    ports.some(({ containerPort }) => containerPort === port),
  );
  const says = `pod ${keyOf(pod)} on node ${node || 'none'}, port ${port}${container ? ` of container ${container.name}` : ''}`;
  const trouble = podTrouble(pod, known);
  if (trouble && !pod.metadata.deletionTimestamp) return breaks('pod', says, trouble);
  const facts = known.find({ type: 'node', node, pod: keyOf(pod) });
  if (!facts) return passes('pod', says);
  if (isUnseen(facts)) return passes('pod', says, [`whether something listens there cannot be seen: ${facts.unseen}`]);
  const { listening, dropped } = facts;
  const drops = [
    ...(dropped?.ingress ? [`policies dropped ${dropped.ingress} packets to pods under the same policies`] : []),
    ...(dropped?.egress ? [`policies dropped ${dropped.egress} packets from pods under the same policies`] : []),
  ];
  if (!listening) return drops.length > 0 ? passes('pod', says, drops) : passes('pod', says);
  if (listening.includes(port)) return passes('pod', `${says}, listens`, drops);
  if (listening.length === 0 && !isStarted(pod)) return unknown('pod', says, 'its processes are only being started');
  const ports = [...listening].sort((a, b) => a - b).map(String);
  return breaks('pod', says, {
    why: `nothing listens at port ${port}${ports.length > 0 ? `; the pod listens at ${fewOf(ports, 5)}` : ''}`,
    next:
      ports.length > 0
        ? `set the targetPort of the Service to ${ports[0]}, or let the container listen at ${port}`
        : `let the container listen at ${port}, at all addresses`,
    ...(drops.length > 0 && { details: drops }),
  });
}

const isStarted = ({ status }: Pod): boolean =>
  (status?.containerStatuses ?? []).every(({ state }) => state?.running !== undefined);
