import type { Difference } from '#network/netfilter/table-contents.ts';
import type { Wanted } from './fronts.ts';

/** What keeps a node's rules for one family of addresses: one for each mode of kube-proxy. Each does the same, with other means. */
export interface Renderer {
  /** After a failure whose effect is not known, and before the first `put`: the next one builds everything anew. */
  forget(): void;
  /**
   * Puts in force what each changed Service (or pod with host ports) needs from now on; undefined: it is gone. No two want
   * the same address and port. At once or not at all; throws when it was refused.
   */
  put(changes: ReadonlyMap<string, Wanted | undefined>): Promise<void>;
  /** Chains (`ip kube-proxy prerouting`) that lose a rule when somebody else takes the rules away, and else next to never. */
  readonly witnesses: readonly string[];
  /** Whether what was put still is there: neither removed nor flushed by somebody else. */
  isInForce(): Promise<boolean>;
  /**
   * Where not all that was put is there, or something among it: a dear look, for parts that no witness tells of. Once the signal
   * aborts nobody waits for the answer.
   */
  differences(signal?: AbortSignal): Promise<readonly Difference[]>;
  /** Takes everything out of the kernel that a renderer of this kind may have left there. */
  remove(): Promise<void>;
}
