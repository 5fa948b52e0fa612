/** Keeps pods off nodes whose taints they do not tolerate; among the rest prefers fewer soft taints. */
import { Node } from '#api/core/v1/node.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import { isTolerated, repels } from '#api/core/v1/taint.ts';
import { changed, definePlugin, fits, unresolvable, when } from '../define-plugin.ts';

const BARRED = unresolvable('node(s) had untolerated taint(s)');

const isBarred = ({ spec }: Pod, { taints = [] }: Node['spec']): boolean =>
  taints.some((taint) => repels(taint) && !isTolerated(taint, spec.tolerations));

export const taintToleration = definePlugin({
  name: 'TaintToleration',
  weight: 3,
  sign: ({ spec }) => spec.tolerations,

  filter(pod, { node: { spec } }) {
    if (!spec.taints) return fits;
    return isBarred(pod, spec) ? BARRED : fits; // taking pods away removes no taint
  },

  score(pod, { node: { spec } }) {
    if (!spec.taints) return 0;
    return spec.taints.filter((taint) => !repels(taint) && !isTolerated(taint, pod.spec.tolerations)).length;
  },
  prefer: 'lower',

  retryWhen: [
    when(changed(Node, 'spec.taints'), ({ now, before }, pod) => {
      const bars = (node: unknown) => isBarred(pod, (node as Node).spec);
      return !bars(now) && (!before || bars(before));
    }),
  ],
});
