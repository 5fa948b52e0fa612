/**
 * The cheapest HTTP/1.1 server that there is: one fixed answer for everything that ends with an empty line, without parsing. Runs
 * bundled, in a process of its own, so that what is in front of it is what is measured.
 */
import { type AddressInfo, createServer } from 'node:net';
import { BODY } from './http1-load.ts';

const ANSWER = Buffer.from(
  `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`,
  'latin1',
);

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  socket.on('data', (part: Buffer) => {
    // One request at a time comes on a connection, and never with a body.
    if (part.length > 3 && part[part.length - 1] === 10 && part[part.length - 3] === 10) socket.write(ANSWER);
  });
});
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
process.on('disconnect', () => process.exit(0));
