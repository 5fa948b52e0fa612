/** One stream for several readers, read once and at the pace of the slowest. A reader that gives up leaves the others alone. */
import { PassThrough } from 'node:stream';

export interface Branches {
  branches: PassThrough[];
  /** Rejects when the source fails; the branches fail with it. */
  fed: Promise<void>;
}

export function branchesOf(source: AsyncIterable<Uint8Array>, count: number): Branches {
  const branches = Array.from({ length: count }, () => new PassThrough());
  for (const branch of branches) branch.on('error', () => undefined); // its reader is told as well
  return { branches, fed: feed(source, branches) };
}

async function feed(source: AsyncIterable<Uint8Array>, branches: readonly PassThrough[]): Promise<void> {
  try {
    for await (const chunk of source) {
      const full = branches.filter((branch) => !branch.destroyed && !branch.write(chunk));
      await Promise.all(full.map(drainedOrClosed));
    }
    for (const branch of branches) branch.end();
  } catch (error) {
    for (const branch of branches) branch.destroy(error as Error);
    throw error;
  }
}

const drainedOrClosed = (branch: PassThrough): Promise<void> =>
  new Promise((resolve) => {
    const done = () => {
      branch.off('drain', done).off('close', done);
      resolve();
    };
    branch.on('drain', done).on('close', done);
  });
