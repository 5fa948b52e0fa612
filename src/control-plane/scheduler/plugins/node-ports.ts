/** A port of the node can be had once for each address and protocol. */
import { collide, type HostPort, hostPortsOf } from '#api/core/v1/host-ports.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { changed, definePlugin, fits, removed, unschedulable, when } from '../define-plugin.ts';

export const nodePorts = definePlugin<readonly HostPort[]>({
  name: 'NodePorts',
  sign: hostPortsOf,
  prepare(pod) {
    const wanted = hostPortsOf(pod);
    return wanted.length > 0 ? { state: wanted } : 'skip';
  },
  filter: (_, { hostPorts }, wanted) =>
    wanted.some((port) => hostPorts.some((used) => collide(port, used)))
      ? unschedulable("node(s) didn't have free ports for the requested pod ports")
      : fits,
  retryWhen: [
    changed(Node),
    when(removed(Pod), ({ before }, pod) => {
      const freed = hostPortsOf(before as Pod);
      return hostPortsOf(pod).some((wanted) => freed.some((port) => collide(wanted, port)));
    }),
  ],
});
