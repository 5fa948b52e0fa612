/** Conditions as the Gateway API has them: of which generation they are, and since when. */
import type { Verdict } from '#api/gateway/v1/listener-state.ts';
import type { Condition } from '#api/generated/schema.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';

export interface Conditioned {
  before: readonly Condition[] | undefined;
  generation: number | undefined;
  nowMs: number;
}

/** Those of others stay, in the order that they have. */
export function conditionsOf(
  said: Readonly<Record<string, Verdict>>,
  { before = [], generation, nowMs }: Conditioned,
): Condition[] {
  const others = before.filter(({ type }) => !(type in said));
  const own = Object.entries(said).map(([type, { isTrue, reason, message }]): Condition => {
    const status = isTrue ? 'True' : 'False';
    const last = before.find((one) => one.type === type);
    const lastTransitionTime = last?.status === status ? last.lastTransitionTime : timestampOf(nowMs);
    return { type, status, reason, message, observedGeneration: generation ?? 0, lastTransitionTime };
  });
  return [...others, ...own];
}

export const yes = (reason: string, message: string): Verdict => ({ isTrue: true, reason, message });
export const no = (reason: string, message: string): Verdict => ({ isTrue: false, reason, message });
