/** One evaluation: its variables, and what it has cost so far. */
import type { Activation } from '../program.ts';
import type { Result } from '../value.ts';
import { EXCEEDED } from '../work.ts';

/** A part of a compiled expression. */
export type Step = (frame: Frame) => Result;

export interface Frame {
  readonly activation: Activation;
  /** Values of the environment's variables that were asked for already, each in its place. */
  readonly globals: (Result | undefined)[];
  /** Values of the variables of loops, each in its place. */
  readonly locals: (Result | undefined)[];
  cost: number;
  readonly limit: number;
}

export function spend(frame: Frame, cost: number): void {
  frame.cost += cost;
  if (frame.cost > frame.limit) throw EXCEEDED;
}

/** As in cel-go's model. Constants, `&&`, `||` and `?:` are free. */
export const COSTS = { name: 1, select: 1, list: 10, map: 30, struct: 40 } as const;
