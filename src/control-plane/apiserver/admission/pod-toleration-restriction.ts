/**
 * Pods get the tolerations of their namespace, and may have no others than those it allows. Off unless asked for.
 * Source: documentation, PodTolerationRestriction.
 */
import { Namespace } from '#api/core/v1/namespace.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import { qosClassOf } from '#api/core/v1/pod-qos.ts';
import type { Toleration } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { badRequest, notFound } from '#api/machinery/status.ts';
import { type AdmissionPlugin, type AdmissionServices, defineAdmission, refused } from './define-admission.ts';

const DEFAULTS = 'scheduler.alpha.kubernetes.io/defaultTolerations';
const ALLOWED = 'scheduler.alpha.kubernetes.io/tolerationsWhitelist';
const MEMORY_PRESSURE: Toleration = {
  key: 'node.kubernetes.io/memory-pressure',
  operator: 'Exists',
  effect: 'NoSchedule',
};

/** Where a namespace says nothing. */
export interface ClusterTolerations {
  default?: readonly Toleration[];
  whitelist?: readonly Toleration[];
}

export const podTolerationRestriction = (cluster: ClusterTolerations = {}): AdmissionPlugin =>
  defineAdmission<Pod>({
    name: 'PodTolerationRestriction',
    on: { resources: [{ group: '', plural: 'pods' }], verbs: ['create', 'update'] },
    reads: [Namespace],
    async mutate(pod, { verb, namespace }, services) {
      const own = verb === 'create' ? await tolerationsOf(namespace, DEFAULTS, services) : [];
      const defaults = verb === 'create' ? (own ?? cluster.default ?? []) : [];
      const more = qosClassOf(pod) === 'BestEffort' ? defaults : [...defaults, MEMORY_PRESSURE];
      if (more.length === 0) return pod;
      return { ...pod, spec: { ...pod.spec, tolerations: merged([...(pod.spec.tolerations ?? []), ...more]) } };
    },
    async validate(request, services) {
      const tolerations = request.object?.spec.tolerations ?? [];
      if (tolerations.length === 0) return;
      const own = await tolerationsOf(request.namespace, ALLOWED, services);
      const allowed = own ?? cluster.whitelist ?? [];
      if (allowed.length === 0 || tolerations.every((one) => allowed.some((wide) => covers(wide, one)))) return;
      const scope = own ? 'namespace' : 'cluster';
      throw refused(
        request,
        `pod tolerations (possibly merged with namespace default tolerations) conflict with its ${scope} whitelist`,
      );
    },
  });

/** undefined: the namespace says nothing. */
async function tolerationsOf(
  name: string,
  annotation: string,
  { informers, live }: AdmissionServices,
): Promise<readonly Toleration[] | undefined> {
  const namespace = informers.for(Namespace).get(name) ?? (await live(Namespace, { name }));
  if (!namespace) throw notFound(Namespace, name);
  const text = namespace.metadata.annotations?.[annotation];
  if (text === undefined) return undefined;
  if (text === '') return [];
  try {
    const parsed: unknown = JSON.parse(text);
    if (Array.isArray(parsed)) return parsed as Toleration[];
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw badRequest(`the annotation ${annotation} of namespace ${name} is no list of tolerations`);
}

/** Without those that another one covers; of equal ones the first. */
function merged(all: readonly Toleration[]): Toleration[] {
  const kept: Toleration[] = [];
  for (const [index, one] of all.entries()) {
    if (kept.some((other) => covers(other, one))) continue;
    if (all.slice(index + 1).some((other) => !isEqual(other, one) && covers(other, one))) continue;
    kept.push(one);
  }
  return kept;
}

/** Whether what tolerates `narrow` is tolerated by `wide` as well. */
function covers(wide: Toleration, narrow: Toleration): boolean {
  if (isEqual(wide, narrow)) return true;
  const { key = '', operator = 'Equal', effect = '', value = '', tolerationSeconds } = wide;
  if ((narrow.key ?? '') !== key && (key !== '' || operator !== 'Exists')) return false;
  if ((narrow.effect ?? '') !== effect && effect !== '') return false;
  if (effect === 'NoExecute' && tolerationSeconds !== undefined)
    if (narrow.tolerationSeconds === undefined || narrow.tolerationSeconds > tolerationSeconds) return false;
  if (operator === 'Exists') return true;
  return operator === 'Equal' && (narrow.operator ?? 'Equal') === 'Equal' && (narrow.value ?? '') === value;
}
