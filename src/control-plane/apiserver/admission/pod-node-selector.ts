/**
 * Pods of a namespace run on its nodes only: the selector of the namespace's annotation is added to theirs, and one that
 * contradicts it is refused. Off unless asked for. Source: documentation, PodNodeSelector.
 */
import { Namespace } from '#api/core/v1/namespace.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import { notFound } from '#api/machinery/status.ts';
import {
  type AdmissionPlugin,
  type AdmissionRequest,
  type AdmissionServices,
  defineAdmission,
  refused,
} from './define-admission.ts';

const ANNOTATION = 'scheduler.alpha.kubernetes.io/node-selector';
const CLUSTER_DEFAULT = 'clusterDefaultNodeSelector';

type Labels = Readonly<Record<string, string>>;

/** `podNodeSelectorPluginConfig` of its configuration: the default, and by namespace what its pods may select at all. */
export type NodeSelectorsByNamespace = Readonly<Record<string, string>>;

export const podNodeSelector = (selectors: NodeSelectorsByNamespace = {}): AdmissionPlugin =>
  defineAdmission<Pod>({
    name: 'PodNodeSelector',
    on: { resources: [{ group: '', plural: 'pods' }], verbs: ['create'] },
    reads: [Namespace],
    async mutate(pod, request, services) {
      const wanted = await selectorOf(request, selectors, services);
      refuseConflict(request, wanted, pod.spec.nodeSelector ?? {});
      if (Object.keys(wanted).length === 0) return pod;
      return { ...pod, spec: { ...pod.spec, nodeSelector: { ...wanted, ...pod.spec.nodeSelector } } };
    },
    async validate(request, services) {
      const { object: pod, namespace } = request;
      if (!pod) return;
      const own = pod.spec.nodeSelector ?? {};
      refuseConflict(request, await selectorOf(request, selectors, services), own);
      const allowed = labelsIn(selectors[namespace] ?? '', request);
      const isWithin = Object.entries(own).every(([key, value]) => allowed[key] === value);
      if (Object.keys(allowed).length > 0 && !isWithin)
        throw refused(request, 'pod node label selector labels conflict with its namespace whitelist');
    },
  });

function refuseConflict(request: AdmissionRequest, wanted: Labels, own: Labels): void {
  if (Object.entries(own).some(([key, value]) => wanted[key] !== undefined && wanted[key] !== value))
    throw refused(request, 'pod node label selector conflicts with its namespace node label selector');
}

async function selectorOf(
  request: AdmissionRequest,
  selectors: NodeSelectorsByNamespace,
  { informers, live }: AdmissionServices,
): Promise<Labels> {
  const { namespace: name } = request;
  const namespace = informers.for(Namespace).get(name) ?? (await live(Namespace, { name }));
  if (!namespace) throw notFound(Namespace, name);
  return labelsIn(namespace.metadata.annotations?.[ANNOTATION] ?? selectors[CLUSTER_DEFAULT] ?? '', request);
}

/** `a=b,c=d`. */
function labelsIn(text: string, request: AdmissionRequest): Labels {
  const parts = text === '' ? [] : text.split(',');
  return Object.fromEntries(
    parts.map((part) => {
      const [key, value, ...more] = part.split('=');
      if (value === undefined || more.length > 0) throw refused(request, `invalid selector: [${part}]`);
      return [key!.trim(), value.trim()];
    }),
  );
}
