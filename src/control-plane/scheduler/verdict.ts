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

export type Refused = Verdict & { fits: false };

export const fits: Verdict = Object.freeze({ fits: true });

export const unschedulable = (...reasons: string[]): Refused => ({ fits: false, isUnresolvable: false, reasons });

export const unresolvable = (...reasons: string[]): Refused => ({ fits: false, isUnresolvable: true, reasons });
