/** A pod's node selector and required node affinity must hold; the preferred affinity adds to the score. */
import { Node } from '#api/core/v1/node.ts';
import { matchesNodeSelector, preferenceFor, wantsNode } from '#api/core/v1/node-affinity.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import type { NodeAffinity, NodeSelector, PodSpec } from '#api/generated/schema.ts';
import { changed, definePlugin, fits, type Plugin, type RetryHint, unresolvable, when } from '../define-plugin.ts';

const NOT_WANTED = unresolvable("node(s) didn't match Pod's node affinity/selector");

const NOT_ENFORCED = unresolvable("node(s) didn't match scheduler-enforced node affinity");

/** A node that a pod wants, and did not want before. */
const wantedNow = (enforced: NodeSelector | undefined): RetryHint =>
  when(changed(Node, 'metadata.labels'), ({ now, before }, { spec }) => {
    const wants = (node: Node) => (!enforced || matchesNodeSelector(enforced, node)) && wantsNode(spec, node);
    return wants(now as Node) && !(before && wants(before as Node));
  });

/** Source: NodeAffinityArgs. What is added holds for every pod of the profile. */
export function nodeAffinityWith({ addedAffinity: added }: { addedAffinity?: NodeAffinity } = {}): Plugin {
  const required = added?.requiredDuringSchedulingIgnoredDuringExecution;
  if (!added) return nodeAffinity;
  const enforced = { affinity: { nodeAffinity: added } } as PodSpec;
  return definePlugin({
    ...nodeAffinity,
    prepare(pod, cluster) {
      const prepared = nodeAffinity.prepare?.(pod, cluster) ?? 'skip';
      return prepared === 'skip' ? { state: undefined } : prepared;
    },
    filter({ spec }, { node }) {
      if (required && !matchesNodeSelector(required, node)) return NOT_ENFORCED;
      return wantsNode(spec, node) ? fits : NOT_WANTED;
    },
    prepareScore: () => undefined,
    score: ({ spec }, { node }) => preferenceFor(spec, node) + preferenceFor(enforced, node),
    retryWhen: [wantedNow(required)],
  });
}

export const nodeAffinity = definePlugin({
  name: 'NodeAffinity',
  weight: 2,
  sign: ({ spec }) => [spec.nodeSelector, spec.affinity?.nodeAffinity],

  prepare(pod) {
    if (!pod.spec.nodeSelector && !pod.spec.affinity?.nodeAffinity) return 'skip';
    const onlyNodes = namedNodes(pod);
    if (onlyNodes?.size === 0) return unresolvable('pod affinity terms conflict');
    return onlyNodes ? { state: undefined, onlyNodes } : { state: undefined };
  },

  filter: ({ spec }, { node }) => (wantsNode(spec, node) ? fits : NOT_WANTED),

  prepareScore: ({ spec }) =>
    spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution?.length ? undefined : 'skip',
  score: ({ spec }, { node }) => preferenceFor(spec, node),
  prefer: 'higher',

  retryWhen: [wantedNow(undefined)],
});

/** Where every term names nodes (as a DaemonSet's pods do), only these need be looked at. */
function namedNodes({ spec }: Pod): Set<string> | undefined {
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (!required?.nodeSelectorTerms.length) return undefined;
  const names = new Set<string>();
  for (const { matchFields = [] } of required.nodeSelectorTerms) {
    const [first, ...others] = matchFields.filter(({ key, operator }) => key === 'metadata.name' && operator === 'In');
    if (!first) return undefined;
    for (const name of first.values ?? []) if (others.every(({ values }) => values?.includes(name))) names.add(name);
  }
  return names;
}
