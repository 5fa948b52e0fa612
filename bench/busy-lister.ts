/** A client in a process of its own that lists again and again, so that what others wait for is the server and not each other. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Bench } from './bench.ts';
import { FrameConnection } from './frame-load.ts';
import type { Target } from './http2-load.ts';

interface Task {
  target: Target;
  path: string;
}

export interface BusyLister {
  /** Resolves with the number of lists that it got. */
  stop(): Promise<number>;
}

/** Resolves when the first list has come. */
export async function startBusyLister(bench: Bench, task: Task): Promise<BusyLister> {
  const child: ChildProcess = fork(fileURLToPath(import.meta.url), [], {
    execArgv: ['--import', 'tsx'],
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  bench.atEnd(() => child.kill('SIGKILL'));
  child.send(task);
  await once(child, 'message');
  return {
    async stop() {
      child.send('stop');
      const [lists] = await once(child, 'message');
      child.disconnect();
      return lists as number;
    },
  };
}

function serve(): void {
  let isStopped = false;
  process.on('disconnect', () => process.exit(0));
  process.on('message', (message: Task | 'stop') => {
    if (message === 'stop') isStopped = true;
    else void listAgainAndAgain(message);
  });
  async function listAgainAndAgain({ target, path }: Task): Promise<void> {
    const connection = await FrameConnection.open(target);
    let lists = 0;
    for (; !isStopped; lists++) {
      await connection.exchange({ path });
      if (lists === 0) process.send?.('begun');
    }
    connection.close();
    process.send?.(lists);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.send) serve();
