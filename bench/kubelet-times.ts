/** What the kubelet of the bench's node says it spent on starting pods. */
import type { ClientHttp2Session } from 'node:http2';
import { NODE } from './bench-node.ts';
import { exchange } from './http2-load.ts';

const PATH = `/api/v1/nodes/${NODE}/proxy/metrics`;
const STARTS = 'kubelet_pod_start_duration_seconds';
/** What it cannot do without, and the floor does, too. */
const CALLS = ['run_podsandbox', 'create_container', 'start_container'].map(
  (type) => ['kubelet_runtime_operations_duration_seconds', `{operation_type="${type}"}`] as const,
);

export class KubeletTimes {
  readonly #pods: number;
  readonly #seconds: number;

  private constructor(text: string) {
    this.#pods = sampleOf(text, `${STARTS}_count`);
    const calls = CALLS.map(([name, labels]) => sampleOf(text, `${name}_sum${labels}`));
    this.#seconds = calls.reduce((left, call) => left - call, sampleOf(text, `${STARTS}_sum`));
  }

  static async read(session: ClientHttp2Session): Promise<KubeletTimes> {
    return new KubeletTimes((await exchange(session, { path: PATH })).toString('utf8'));
  }

  /** ms for each pod that has started since. Each had one container, and no other was being started. */
  overheadSince(before: KubeletTimes): number {
    const pods = this.#pods - before.#pods;
    if (pods <= 0) throw new Error('the kubelet has counted no start of a pod');
    return ((this.#seconds - before.#seconds) * 1000) / pods;
  }
}

function sampleOf(text: string, name: string): number {
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  if (!line) throw new Error(`the kubelet tells no ${name}`);
  return Number(line.slice(name.length + 1));
}
