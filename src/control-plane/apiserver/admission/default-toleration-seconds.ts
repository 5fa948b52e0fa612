/** A pod stays on a node that is not ready or cannot be reached for five minutes, unless it says otherwise. */
import type { Pod } from '#api/core/v1/pod.ts';
import type { Toleration } from '#api/generated/schema.ts';
import { withParts } from '#api/machinery/object.ts';
import { type AdmissionPlugin, defineAdmission } from './define-admission.ts';

const KEYS = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];

export interface TolerationSeconds {
  notReadySeconds?: number;
  unreachableSeconds?: number;
}

export const defaultTolerationSeconds = ({
  notReadySeconds = 300,
  unreachableSeconds = 300,
}: TolerationSeconds = {}): AdmissionPlugin =>
  defineAdmission<Pod>({
    name: 'DefaultTolerationSeconds',
    on: { resources: [{ group: '', plural: 'pods' }], verbs: ['create', 'update'] },

    mutate(pod) {
      const tolerations = pod.spec.tolerations ?? [];
      const seconds = [notReadySeconds, unreachableSeconds];
      const missing = KEYS.flatMap((key, index): Toleration[] =>
        tolerations.some((one) => tolerates(one, key))
          ? []
          : [{ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: seconds[index] ?? 0 }],
      );
      if (missing.length === 0) return pod;
      return withParts(pod, { spec: Object.assign({}, pod.spec, { tolerations: [...tolerations, ...missing] }) });
    },
  });

const tolerates = ({ key, effect }: Toleration, wanted: string): boolean =>
  (!key || key === wanted) && (!effect || effect === 'NoExecute');
