/** Writes the decision down: a Binding. */
import { Pod } from '#api/core/v1/pod.ts';
import { definePlugin } from '../define-plugin.ts';

export const defaultBinder = definePlugin({
  name: 'DefaultBinder',
  async bind({ metadata }, nodeName, { client }) {
    const { name, namespace = '', uid } = metadata;
    await client.createSubresource(
      Pod,
      { name, namespace, subresource: 'binding' },
      {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { name, namespace, uid },
        target: { kind: 'Node', name: nodeName },
      },
    );
    return 'bound';
  },
  retryWhen: [],
});
