/** A node's side of the network: a cable to the cluster's bridge, and its addresses. Routes to the others' pods are its process `net`'s. */

import { withoutDetection } from './host-network.ts';
import type { NodeLayout } from './node-layout.ts';
import { entered, type Holder } from './node-namespaces.ts';
import { run, succeeds } from './run-command.ts';

export async function ensureNodeNetwork(layout: NodeLayout, holder: Holder, mtu: number): Promise<void> {
  const { link, plan } = layout;
  if (!(await succeeds(entered(holder, ['ip', 'link', 'show', 'eth0'])))) {
    const peer = ['peer', 'name', 'eth0', 'mtu', String(mtu), 'netns', String(holder.record.pid)];
    // A process that outlived a former node may hold that one's network, and with it the other end of a cable of this name.
    if (await succeeds(['ip', 'link', 'show', link])) await run(['ip', 'link', 'delete', link]);
    await run(['ip', 'link', 'add', link, 'mtu', String(mtu), 'type', 'veth', ...peer]);
  }
  await run(['ip', 'link', 'set', link, 'master', plan.bridge, 'up']);
  const bits = plan.nodeRanges.map((range) => range.split('/')[1]);
  const batch = [
    'link set lo up',
    ...layout.addresses.map((address, i) =>
      [`address replace ${address}/${bits[i]} dev eth0`, ...withoutDetection(address)].join(' '),
    ),
    'link set eth0 up',
    ...plan.hostAddresses.map((host) => `route replace default via ${host}`),
  ];
  await run(entered(holder, ['ip', '-batch', '-']), { input: `${batch.join('\n')}\n` });
  // The second: a host port may be bound to 127.0.0.1, and its answers come from a pod. kube-proxy's rules guard the rest.
  const switches = ['ip_forward', 'conf/all/route_localnet'].map((name) => `/proc/sys/net/ipv4/${name}`);
  const isDual = layout.addresses.some((address) => address.includes(':'));
  const forwarding = isDual ? ['/proc/sys/net/ipv6/conf/all/forwarding'] : [];
  await run(entered(holder, ['tee', ...switches, ...forwarding]), { input: '1' });
  // The wires to pods are ours alone: nobody is waited for who might have the same address.
  if (isDual) await run(entered(holder, ['tee', '/proc/sys/net/ipv6/conf/default/accept_dad']), { input: '0' });
}
