/**
 * Programs that write rules outlive the process that started them when that is killed. One that is late would write what was
 * wanted then over what the next process has written: nobody writes before those of its predecessor are gone.
 */
import { type Clock, sleep } from '#base/clock.ts';
import { processIds, readOrUndefined, signalled } from '#node/machine/process-record.ts';

/** In the environment of whatever this process starts. */
const MARK = 'KEDGE_WRITES_FOR';
/**
 * As the kernel names them, up to 15 characters; and what some of them are run by, which may be about to become one. Others that
 * were left, such as workers, end by themselves.
 */
const WRITERS = new Set([
  ...['nft', 'iptables-restor', 'ip6tables-resto', 'iptables', 'ip6tables', 'ipvsadm', 'ip'],
  ...['sh', 'timeout'],
]);
const LONGEST_MS = 30_000;

/**
 * To be called before anything is written: ends what an earlier process for the same thing left, and marks what this one starts.
 * @param what tells them apart on one machine.
 */
export async function endEarlierWriters(what: string, clock: Clock): Promise<void> {
  const mark = `${MARK}=${what}`;
  const deadlineMs = clock.monotonicMs() + LONGEST_MS;
  for (let left = writersFor(mark); left.length > 0; left = writersFor(mark)) {
    if (clock.monotonicMs() > deadlineMs) throw new Error(`processes ${left.join(', ')} cannot be ended`);
    for (const pid of left) signalled(pid, 'SIGKILL');
    await sleep(clock, 10); // a transaction that the kernel has begun ends first
  }
  process.env[MARK] = what;
}

const writersFor = (mark: string): number[] =>
  processIds().filter(
    (pid) =>
      WRITERS.has(readOrUndefined(`/proc/${pid}/comm`)?.trim() ?? '') &&
      readOrUndefined(`/proc/${pid}/environ`)?.split('\0').includes(mark),
  );
