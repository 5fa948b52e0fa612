// A resolver outside of the cluster, as tests see it: knows every name but those that begin with `absent`, and tells each question
// that it was asked. What begins with `large` comes over TCP only.
// Environment: PORTS (with commas), ADDRESS (what each name has).
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import dnsPacket from './dns-packet.cjs';

const { PORTS = '53', ADDRESS = '192.0.2.1' } = process.env;
const TTL = 60;

function answerTo(message, over, port) {
  const { id, questions } = dnsPacket.decode(message);
  const [{ name, type }] = questions;
  console.log(`${port} ${over} ${type} ${name}`);
  const reply = { id, type: 'response', questions };
  if (name.startsWith('absent')) {
    const zone = {
      mname: 'ns.test',
      rname: 'nobody.test',
      serial: 1,
      refresh: 60,
      retry: 60,
      expire: 60,
      minimum: TTL,
    };
    const authorities = [{ name: 'test', type: 'SOA', ttl: TTL, data: zone }];
    return dnsPacket.encode({ ...reply, flags: 3, authorities }); // NXDOMAIN
  }
  const isLarge = name.startsWith('large');
  if (isLarge && over === 'udp') return dnsPacket.encode({ ...reply, flags: dnsPacket.TRUNCATED_RESPONSE });
  const count = type === 'A' ? (isLarge ? 200 : 1) : 0;
  const answers = Array.from({ length: count }, () => ({ name, type: 'A', ttl: TTL, data: ADDRESS }));
  return dnsPacket.encode({ ...reply, answers });
}

for (const port of PORTS.split(',').map(Number)) {
  const socket = createSocket('udp4');
  socket.on('message', (message, from) => socket.send(answerTo(message, 'udp', port), from.port, from.address));
  socket.bind(port);
  createServer((client) => {
    client.on('error', () => client.destroy());
    let received = Buffer.alloc(0);
    client.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < received.readUInt16BE(0) + 2) return;
      const answer = answerTo(received.subarray(2), 'tcp', port);
      const length = Buffer.alloc(2);
      length.writeUInt16BE(answer.length);
      client.end(Buffer.concat([length, answer]));
    });
  }).listen(port);
}
process.on('SIGTERM', () => process.exit(0));
