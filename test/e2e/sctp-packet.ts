/**
 * A first packet of SCTP that a pod sends, also where the kernel has no sockets for it: as a frame in VXLAN, which the pod's own
 * kernel unpacks and sends on as it would somebody else's. Sources: RFC 9260 (INIT, CRC-32C), RFC 7348.
 */

interface Sent {
  from: string;
  to: string;
  toPort: number;
}

const [VNI, TUNNEL_PORT, DEVICE, MAC] = [7, 4790, 'sctp0', '02:00:00:00:00:07'];

/** What opens the way, once for a pod: commands with their arguments. */
export const openingSctp: readonly string[][] = [
  ['ip', 'link', 'add', DEVICE, 'type', 'vxlan', 'id', `${VNI}`, 'dstport', `${TUNNEL_PORT}`, 'local', '127.0.0.1'],
  ['ip', 'link', 'set', DEVICE, 'address', MAC, 'up'],
  // Its own address is what it sends from.
  ...[`conf.${DEVICE}.accept_local=1`, `conf.${DEVICE}.rp_filter=0`, 'ip_forward=1'].map((setting) => [
    'sysctl',
    '-qw',
    `net.ipv4.${setting}`,
  ]),
];

/** To be run in the pod's network. */
export function sendingSctp(sent: Sent): string[] {
  const vxlan = Buffer.from([8, 0, 0, 0, 0, 0, VNI, 0]);
  const bytes = Buffer.concat([vxlan, frame(packet(sent, init(sent.toPort)))]).toString('hex');
  const program = `const socket=require('dgram').createSocket('udp4');
    socket.send(Buffer.from('${bytes}','hex'),${TUNNEL_PORT},'127.0.0.1',()=>socket.close())`;
  return [process.execPath, '-e', program];
}

function init(toPort: number): Buffer {
  const bytes = Buffer.alloc(32);
  bytes.writeUInt16BE(5_000, 0);
  bytes.writeUInt16BE(toPort, 2);
  bytes.writeUInt8(1, 12); // INIT
  bytes.writeUInt16BE(20, 14); // bytes of the chunk
  bytes.writeUInt32BE(1, 16); // tag
  bytes.writeUInt32BE(65_535, 20); // window
  bytes.writeUInt16BE(1, 24); // streams out
  bytes.writeUInt16BE(1, 26); // streams in
  bytes.writeUInt32BE(1, 28);
  bytes.writeUInt32LE(crc32c(bytes), 8);
  return bytes;
}

function packet({ from, to }: Sent, payload: Buffer): Buffer {
  const head = Buffer.from([
    0x45,
    0,
    0,
    20 + payload.length,
    0,
    1,
    0,
    0,
    64,
    132,
    0,
    0,
    ...octets(from),
    ...octets(to),
  ]);
  let sum = 0;
  for (let i = 0; i < head.length; i += 2) sum += head.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  head.writeUInt16BE(~sum & 0xffff, 10);
  return Buffer.concat([head, payload]);
}

const frame = (inner: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`${MAC.replaceAll(':', '')}0200000000080800`, 'hex'), inner]);
const octets = (ip: string): number[] => ip.split('.').map(Number);

function crc32c(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}
