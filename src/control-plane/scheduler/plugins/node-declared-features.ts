/** A pod goes where the kubelet has declared that it can do what the pod needs: others are older, or have it switched off. KEP-5328. */
import { Node } from '#api/core/v1/node.ts';
import { featuresOfPlacing } from '#api/core/v1/node-features.ts';
import { changed, definePlugin, fits, unresolvable } from '../define-plugin.ts';

export const nodeDeclaredFeatures = definePlugin<readonly string[]>({
  name: 'NodeDeclaredFeatures',
  sign: ({ spec }) => featuresOfPlacing(spec),
  prepare({ spec }) {
    const needed = featuresOfPlacing(spec);
    return needed.length > 0 ? { state: needed } : 'skip';
  },
  filter: (_, { node }, needed) =>
    needed.every((feature) => node.status?.declaredFeatures?.includes(feature))
      ? fits
      : unresolvable("node(s) didn't match Pod's required features"),
  retryWhen: [changed(Node, 'status.declaredFeatures')],
});
