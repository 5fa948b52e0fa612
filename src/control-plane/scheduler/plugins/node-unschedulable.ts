/** Keeps pods off cordoned nodes, unless they tolerate the taint that says so. */
import { Node } from '#api/core/v1/node.ts';
import { isTolerated } from '#api/core/v1/taint.ts';
import { changed, definePlugin, fits, unresolvable, when } from '../define-plugin.ts';

const TAINT = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' as const };

export const nodeUnschedulable = definePlugin({
  name: 'NodeUnschedulable',
  sign: ({ spec }) => isTolerated(TAINT, spec.tolerations),
  filter(pod, { node }) {
    if (!node.spec.unschedulable || isTolerated(TAINT, pod.spec.tolerations)) return fits;
    return unresolvable('node(s) were unschedulable');
  },
  retryWhen: [when(changed(Node, 'spec.unschedulable'), ({ now }) => !(now as Node).spec.unschedulable)],
});
