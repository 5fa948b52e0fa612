/** One of the processes that carry the Ingress's traffic. It knows the whole table, and opens no port itself. */
import { randomUUID } from 'node:crypto';
import { type Clock, sleep } from '#base/clock.ts';
import { type Deferred, deferred } from '#base/deferred.ts';
import type { Random } from '#base/random.ts';
import type { SocketHandle } from '#base/socket-keeper.ts';
import { AccessLog } from './access-log.ts';
import { HTTP_PORT, HTTPS_PORT, IngressServer, type TableChange } from './ingress-server.ts';
import type { ListeningAt } from './listening-sockets.ts';
import { SharedLimits } from './shared-limits.ts';
import { TrafficMetrics } from './traffic-metrics.ts';
import { LAST_COUNT, type Message, type Report } from './worker-messages.ts';

/** What is under way when a process is told to end has so long. */
const DRAIN_MS = 10_000;
/** About as long as it takes until the next starter's processes listen; whoever comes after that waits for them in the sockets. */
const SERVES_ALONE_MS = 1_000;
/** Who a process is that carries traffic, once it has what it needs root for. */
const NOBODY = 65_534;

/** Runs until the process that started it goes or says so, and then until what is under way has ended. */
export async function runIngressWorker(services: { random: Random; clock: Clock }): Promise<void> {
  const { clock } = services;
  // Without the last argument a report that nobody hears any more would end this process.
  const report = (what: Report) => process.send?.(what, undefined, undefined, () => undefined);
  dropPrivileges();
  const metrics = new TrafficMetrics();
  const access = new AccessLog(clock, (lines, left) => report({ access: lines, left }));
  const limits = new SharedLimits(
    clock,
    (limit) => report({ limit }),
    () => !process.connected,
  );
  const sockets = new SocketsOfStarter((open) => report({ open }));
  const server = new IngressServer({
    limits,
    httpPort: HTTP_PORT,
    httpsPort: HTTPS_PORT,
    newRequestId: () => randomUUID().replaceAll('-', ''),
    ...services,
    record: {
      ended(what) {
        metrics.ended(what);
        access.ended(what);
      },
    },
    socketAt: (at) => sockets.ask(at),
    onComplaint: (complaint) => report({ complaint }),
  });
  process.on('message', (message: Message, handle?: unknown) => {
    if ('change' in message) for (const complaint of changed(server, message.change)) report({ complaint });
    else if ('mayBegin' in message) limits.answered(message.mayBegin);
    else if ('count' in message) report({ counted: message.count, counts: metrics.counts });
    else if ('opened' in message) sockets.answered(message, handle as SocketHandle | undefined);
    else
      server.listen(message.listen).catch((error: unknown) => {
        report({ complaint: `cannot listen: ${error}` });
        setImmediate(() => process.exit(1)); // started anew, it tries again
      });
  });
  const told = toldToEnd();
  report({ hears: true });
  if ((await told.first) === 'alone') await Promise.race([sleep(clock, SERVES_ALONE_MS), told.byName]);
  process.removeAllListeners('SIGTERM'); // told once more, it ends at once
  await server.drain(DRAIN_MS);
  access.flush();
  report({ counted: LAST_COUNT, counts: metrics.counts });
  process.exit(0);
}

function toldToEnd() {
  const byName = new Promise<'told'>((resolve) => process.once('SIGTERM', () => resolve('told')));
  const alone = new Promise<'alone'>((resolve) => process.once('disconnect', () => resolve('alone')));
  return { byName, first: Promise.race([byName, alone]) };
}

/** Ports below 1024 are root's, and this process is nobody. */
class SocketsOfStarter {
  readonly #report: (at: ListeningAt) => void;
  readonly #waiting = new Map<string, Deferred<SocketHandle>[]>();

  constructor(report: (at: ListeningAt) => void) {
    this.#report = report;
  }

  ask(at: ListeningAt): Promise<SocketHandle> {
    const waiting = deferred<SocketHandle>();
    this.#waiting.set(keyOf(at), [...(this.#waiting.get(keyOf(at)) ?? []), waiting]);
    this.#report(at);
    return waiting.promise;
  }

  answered({ opened, refused }: { opened: ListeningAt; refused?: string }, handle: SocketHandle | undefined): void {
    const waiting = this.#waiting.get(keyOf(opened))?.shift();
    if (!waiting) handle?.close();
    else if (handle) waiting.resolve(handle);
    else waiting.reject(new Error(refused ?? 'there is no socket'));
  }
}

const keyOf = ({ host, port }: ListeningAt): string => `${host} ${port}`;

/** Its successor would be told the same: what cannot be taken over is told, and traffic goes on. */
function changed(server: IngressServer, change: TableChange): string[] {
  try {
    return server.change(change);
  } catch (error) {
    return [`a change was not taken over whole: ${error instanceof Error ? error.stack : error}`];
  }
}

/** What comes in meets somebody who may do nothing else. */
function dropPrivileges(): void {
  if (process.getuid?.() !== 0) return;
  process.setgroups?.([]);
  process.setgid?.(NOBODY);
  process.setuid?.(NOBODY);
}
