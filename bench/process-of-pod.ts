/** The processes of this machine's pods, without asking anybody: who is asked may be what was broken. Linux only. */
import { readdirSync, readFileSync } from 'node:fs';

/** The first that began in a pod: others, of somebody's exec, may end at any time. Throws where none runs. */
export function processOfPod(uid: string): number {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const [first] = pids
    .flatMap((pid) => {
      const at = bornAt(pid, uid);
      return at === undefined ? [] : { pid: Number(pid), at };
    })
    .toSorted((a, b) => a.at - b.at);
  if (!uid || !first) throw new Error(`no process of pod ${uid} runs`);
  return first.pid;
}

/** In ticks since the machine began; undefined: of another pod, or it has ended. Source: proc_pid_stat(5), field 22. */
function bornAt(pid: string, uid: string): number | undefined {
  try {
    if (!readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(uid)) return undefined;
    const [, afterName = ''] = /^.*\) (.*)$/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
    return Number(afterName.split(' ')[19]);
  } catch {
    return undefined;
  }
}

/** Whose parent is `parent` and whose command line has this word. */
export function childrenOf(parent: number, word: string): number[] {
  const isOne = (pid: string) => {
    try {
      const isChild = new RegExp(`^PPid:\\s+${parent}$`, 'm').test(readFileSync(`/proc/${pid}/status`, 'utf8'));
      return isChild && readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(word);
    } catch {
      return false; // it has ended
    }
  };
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && isOne(name))
    .map(Number);
}
