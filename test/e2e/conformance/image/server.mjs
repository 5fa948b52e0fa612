// What the pods of the conformance tests serve: their name over HTTP and UDP, health, gRPC health, requests they have seen,
// what they were asked (`…/echo`), a status of the asker's choice (`…/status/NNN`), nothing (`/never`), their name when they
// are told to end (`/held`) or unless they are the one that hangs up (`/without/NAME`), and after an upgrade whatever they are told.
// Environment: PORTS and UDP_PORTS (with commas), GRPC_PORT, UNHEALTHY_AFTER (seconds).
import { createSocket } from 'node:dgram';
import { createServer as createHttp } from 'node:http';
import { createServer as createHttp2 } from 'node:http2';
import { hostname } from 'node:os';

const startedAt = Date.now();
const { PORTS = '8080', UDP_PORTS = '', GRPC_PORT = '', UNHEALTHY_AFTER = '' } = process.env;
const numbers = (text) => text.split(',').filter(Boolean).map(Number);
const isHealthy = () => !UNHEALTHY_AFTER || Date.now() - startedAt < Number(UNHEALTHY_AFTER) * 1000;
const seen = [];
/** Answers that wait for the end of this server. */
const held = new Set();

function echo(request, response) {
  const { method, url, headers, socket } = request;
  socket.turns = (socket.turns ?? 0) + 1;
  let bytes = 0;
  request.on('data', (chunk) => {
    bytes += chunk.length;
  });
  request.on('end', () => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ name: hostname(), method, url, bytes, turns: socket.turns, headers }));
  });
}

for (const port of numbers(PORTS)) {
  const server = createHttp((request, response) => {
    const { pathname } = new URL(request.url, 'http://server');
    if (pathname === '/seen') return response.end(seen.join('\n'));
    if (pathname === '/healthz') return response.writeHead(isHealthy() ? 200 : 500).end();
    if (pathname === '/clientip') return response.end(request.socket.remoteAddress.replace('::ffff:', ''));
    seen.push(`${request.method} ${request.url}`);
    const [, status] = /\/status\/(\d{3})$/.exec(pathname) ?? [];
    if (status) return response.writeHead(Number(status)).end(hostname());
    if (pathname.endsWith('/echo')) return echo(request, response);
    if (pathname === '/never') return;
    if (pathname === '/held') return held.add(response);
    if (pathname === `/without/${hostname()}`) return request.socket.destroy();
    response.end(hostname());
  }).listen(port);
  server.on('upgrade', (_, socket) => {
    socket.on('error', () => socket.destroy());
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n');
    socket.write(`${hostname()} `);
    socket.pipe(socket);
  });
}
for (const port of numbers(UDP_PORTS)) {
  const socket = createSocket('udp4');
  socket.on('message', (_, { port: from, address }) => socket.send(hostname(), from, address));
  socket.bind(port);
}
for (const port of numbers(GRPC_PORT)) {
  createHttp2((request, response) => {
    request.resume();
    const { 'x-kind': kind } = request.headers;
    request.on('end', () => {
      if (kind) seen.push(`call of kind ${kind}`);
      // HealthCheckResponse{status}: 1 is SERVING, 2 is NOT_SERVING
      response.writeHead(200, { 'content-type': 'application/grpc', 'served-by': hostname() });
      response.addTrailers({ 'grpc-status': '0' });
      response.end(Buffer.from([0, 0, 0, 0, 2, 8, isHealthy() ? 1 : 2]));
    });
  }).listen(port);
}
process.on('SIGTERM', async () => {
  await Promise.all([...held].map((response) => new Promise((done) => response.on('close', done).end(hostname()))));
  process.exit(0);
});
