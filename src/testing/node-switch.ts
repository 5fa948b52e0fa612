/** Switches simulated nodes off and on, by what their objects say. */
import { Node } from '#api/core/v1/node.ts';
import type { Client } from '#client/client.ts';
import type { NodeSwitch } from './faults.ts';

const STOPPED = 'kedge.dev/simulated-stopped';

export const nodeSwitch = (client: Client): NodeSwitch => {
  const set = async (name: string, stopped: string | null) => {
    const patch = { metadata: { annotations: { [STOPPED]: stopped } } };
    await client.patch(Node, { name }, { type: 'merge', patch });
  };
  return { stopNode: (name) => set(name, 'true'), startNode: (name) => set(name, null) };
};
