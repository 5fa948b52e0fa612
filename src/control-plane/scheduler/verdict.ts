/** A plugin's answer about one pod, or about one pod on one node. Not fitting is an answer, never an error. */

export type Verdict =
  | { fits: true }
  | {
      fits: false;
      /** Not even without the pods that run there: taking them away would not help. */
      isUnresolvable: boolean;
      /** As they are counted in the message: `Insufficient cpu`. */
      reasons: readonly string[];
    };

export const fits: Verdict = Object.freeze({ fits: true });

export const unschedulable = (...reasons: string[]): Verdict => ({ fits: false, isUnresolvable: false, reasons });

export const unresolvable = (...reasons: string[]): Verdict => ({ fits: false, isUnresolvable: true, reasons });
