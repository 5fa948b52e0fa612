/** The pods that an object describes, and their containers. Source: kubectl, polymorphichelpers. */
import type { Container, PodSpec } from '#api/generated/schema.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { VerbError } from '../verb-error.ts';

const WITH_TEMPLATE = ['ReplicationController', 'Deployment', 'DaemonSet', 'ReplicaSet', 'StatefulSet', 'Job'];

interface WithTemplate {
  spec: { template: { spec: PodSpec } };
}

/** Throws VerbError for what describes none. */
export function podSpecOf(object: KubeObject): PodSpec {
  const { kind = '', apiVersion = '' } = object;
  if (kind === 'Pod') return (object as unknown as { spec: PodSpec }).spec;
  if (WITH_TEMPLATE.includes(kind)) return (object as unknown as WithTemplate).spec.template.spec;
  if (kind === 'CronJob')
    return (object as unknown as { spec: { jobTemplate: WithTemplate } }).spec.jobTemplate.spec.template.spec;
  const version = apiVersion.split('/').at(-1);
  throw new VerbError(`the object is not a pod or does not have a pod template: *${version}.${kind}`);
}

/** Those whose name is as `pattern` says, where * stands for anything; the initial ones last. */
export const containersIn = ({ containers = [], initContainers = [] }: PodSpec, pattern: string): Container[] =>
  [...containers, ...initContainers].filter(({ name }) => isLike(name, pattern));

/** Found as kubectl finds it: what stands before the first * may also stand further on. */
function isLike(name: string, pattern: string): boolean {
  if (!pattern.includes('*')) return name === pattern;
  const parts = pattern.split('*');
  let at = 0;
  for (const [index, part] of parts.entries()) {
    if (part === '') continue;
    const next = name.slice(at).indexOf(part);
    const isLast = index === parts.length - 1;
    if (next < at || (isLast && name.length !== part.length + next)) return false;
    at = next;
  }
  return true;
}
