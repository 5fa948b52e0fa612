import { expect, test } from 'vitest';
import type { Pod } from '#api/generated/schema.ts';
import { hasHostPorts, hostPortsOf } from './host-ports.ts';

const port = (hostPort: number, hostIP?: string) => ({ containerPort: 80, hostPort, ...(hostIP && { hostIP }) });
const podWith = (spec: object): Pod =>
  ({
    metadata: { name: 'web', namespace: 'shop' },
    spec: { containers: [{ name: 'main' }], ...spec },
    status: { podIPs: [{ ip: '10.244.1.2' }, { ip: 'FD00:244:1:0::2' }] },
  }) as unknown as Pod;

test('a port of a sidecar alone is one of the pod, and one of a container that only initializes is none', () => {
  const initOf = (restartPolicy?: string) =>
    podWith({ initContainers: [{ name: 'one', ports: [port(8080)], ...(restartPolicy && { restartPolicy }) }] });
  expect(hasHostPorts(initOf('Always'))).toBe(true);
  expect(hostPortsOf(initOf('Always'), 'ipv4')?.fronts).toHaveLength(1);
  expect(hasHostPorts(initOf())).toBe(false);
  expect(hostPortsOf(initOf(), 'ipv4')).toBeUndefined();
});

test('addresses are written in the one way that the kernel knows', () => {
  const pod = podWith({ containers: [{ name: 'main', ports: [port(8080, '2001:DB8:0::1'), port(8081, '0::')] }] });
  const wanted = hostPortsOf(pod, 'ipv6');
  expect(wanted?.fronts.map(({ ip }) => ip)).toEqual(['2001:db8::1', undefined]);
  expect(wanted?.hairpins).toEqual(['fd00:244:1::2']);
});
