/** Every start of a container asks the registry, so that whoever may use an image is asked each time. Off unless asked for. */
import type { Pod } from '#api/core/v1/pod.ts';
import type { PodSpec } from '#api/generated/schema.ts';
import { notSupportedValue } from '#api/machinery/field-error.ts';
import { defineAdmission, refused } from './define-admission.ts';

const ALWAYS = 'Always';
const LISTS = ['containers', 'initContainers', 'ephemeralContainers'] as const;

export const alwaysPullImages = defineAdmission<Pod>({
  name: 'AlwaysPullImages',
  on: { resources: [{ group: '', plural: 'pods' }], verbs: ['create', 'update'] },
  mutate(pod, { old }) {
    if (old && !hasNewImage(pod.spec, old.spec)) return pod;
    const pulled = <T extends { imagePullPolicy?: string }>(list: readonly T[]) =>
      list.map((one) => ({ ...one, imagePullPolicy: ALWAYS }) as const);
    const { containers, initContainers, ephemeralContainers, volumes } = pod.spec;
    return {
      ...pod,
      spec: {
        ...pod.spec,
        containers: pulled(containers),
        ...(initContainers && { initContainers: pulled(initContainers) }),
        ...(ephemeralContainers && { ephemeralContainers: pulled(ephemeralContainers) }),
        ...(volumes && {
          volumes: volumes.map((one) => (one.image ? { ...one, image: { ...one.image, pullPolicy: ALWAYS } } : one)),
        }),
      },
    };
  },
  validate(request) {
    const { object: pod, old } = request;
    if (!pod || (old && !hasNewImage(pod.spec, old.spec))) return;
    const refusals = [
      ...LISTS.flatMap((list) =>
        (pod.spec[list] ?? []).map(({ imagePullPolicy }, i) => [`spec.${list}[${i}].imagePullPolicy`, imagePullPolicy]),
      ),
      ...(pod.spec.volumes ?? []).flatMap(({ image }, i) =>
        image ? [[`spec.volumes[${i}].image.pullPolicy`, image.pullPolicy]] : [],
      ),
    ].filter(([, policy]) => policy !== ALWAYS);
    const [first] = refusals.map(([at, policy]) => notSupportedValue(at!, policy, [ALWAYS]));
    if (first) throw refused(request, `${first.field}: ${first.message}`);
  },
});

const imagesOf = (spec: PodSpec) => LISTS.flatMap((list) => (spec[list] ?? []).map(({ image }) => image));

function hasNewImage(next: PodSpec, current: PodSpec): boolean {
  const known = new Set(imagesOf(current));
  return imagesOf(next).some((image) => !known.has(image));
}
