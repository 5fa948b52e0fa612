/** A pod that names its node gets that one or none. */
import { Node } from '#api/core/v1/node.ts';
import { changed, definePlugin, fits, unresolvable } from '../define-plugin.ts';

export const nodeName = definePlugin({
  name: 'NodeName',
  sign: ({ spec }) => spec.nodeName,
  prepare: ({ spec }) => (spec.nodeName ? { state: undefined } : 'skip'),
  filter: ({ spec }, { node }) =>
    spec.nodeName === node.metadata.name ? fits : unresolvable("node(s) didn't match the requested node name"),
  retryWhen: [changed(Node)],
});
