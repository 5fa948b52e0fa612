/** Keeps pods off nodes whose taints they do not tolerate; among the rest prefers fewer soft taints. */
import { Node } from '#api/core/v1/node.ts';
import { isTolerated, repels } from '#api/core/v1/taint.ts';
import { changed, definePlugin, fits, unresolvable } from '../define-plugin.ts';

const BARRED = unresolvable('node(s) had untolerated taint(s)');

export const taintToleration = definePlugin({
  name: 'TaintToleration',
  weight: 3,
  sign: ({ spec }) => spec.tolerations,

  filter(pod, { node: { spec } }) {
    if (!spec.taints) return fits;
    const barred = spec.taints.some((taint) => repels(taint) && !isTolerated(taint, pod.spec.tolerations));
    return barred ? BARRED : fits; // taking pods away removes no taint
  },

  score(pod, { node: { spec } }) {
    if (!spec.taints) return 0;
    return spec.taints.filter((taint) => !repels(taint) && !isTolerated(taint, pod.spec.tolerations)).length;
  },
  prefer: 'lower',

  retryWhen: [changed(Node, 'spec.taints')],
});
