import { expect, test } from 'vitest';
import { mayDial } from './tunnel-server.ts';

const targets = { podRanges: ['10.1.0.0/24', 'fd00:1::/64'], addresses: ['192.0.2.5'], kubeletPort: 10250 };

test.each<[string, string, number, boolean]>([
  ['a pod', '10.1.0.7', 80, true],
  ['a pod by IPv6', 'fd00:1::7', 443, true],
  ['its own kubelet', '192.0.2.5', 10250, true],
  ['another port of its own', '192.0.2.5', 22, false],
  ['a pod of another node', '10.2.0.7', 80, false],
  ['its loopback', '127.0.0.1', 10250, false],
  ['a name', 'localhost', 80, false],
  ['no port', '10.1.0.7', 0, false],
])('a node dials %s for the API server: %s:%i %s', (_, host, port, may) =>
  expect(mayDial({ host, port }, targets)).toBe(may),
);
