// A web service as a cluster likes it: it says when it is ready, and it leaves without losing a request.
//   /         greets, with its version and its pod's name
//   /ready    200 while it wants traffic (readiness probe)
//   /healthz  200 while it lives (liveness probe)
import { createServer } from 'node:http';
import { Server } from 'node:net';
import { hostname } from 'node:os';

const PORT = Number(process.env.PORT ?? 8080);
const VERSION = process.env.VERSION ?? 'development';
const DRAIN_MS = 10_000;

let isLeaving = false;

const server = createServer((request, response) => {
  // A kept connection of a client would tie it to this pod: from now on each answer is its connection's last.
  if (isLeaving) response.setHeader('connection', 'close');
  response.setHeader('content-type', 'text/plain; charset=utf-8');
  switch (new URL(request.url ?? '/', 'http://web').pathname) {
    case '/':
      return response.end(`Hello from Kedge! version ${VERSION}, pod ${hostname()}\n`);
    case '/ready':
      response.statusCode = isLeaving ? 503 : 200;
      return response.end(isLeaving ? 'leaving\n' : 'ready\n');
    case '/healthz':
      return response.end('ok\n');
    default:
      response.statusCode = 404;
      return response.end('not found\n');
  }
});

server.listen(PORT, () => console.log(`version ${VERSION} listens on port ${PORT}`));

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => {
    if (isLeaving) return;
    isLeaving = true;
    console.log(`${signal}: finishing what is under way`);
    // Accepts nothing new, and ends when the last connection has. A kept connection that is idle stays open for its next
    // request, whose answer closes it: http's own close() would cut it just while that request is on its way.
    Server.prototype.close.call(server, () => process.exit(0));
    setTimeout(() => process.exit(0), DRAIN_MS).unref();
  });
}
