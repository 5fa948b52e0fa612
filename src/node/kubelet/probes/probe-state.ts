/** What a row of outcomes means: thresholds in both directions. Pure. Source: "Configure Liveness, Readiness and Startup Probes". */
import type { Probe } from '#api/generated/schema.ts';
import type { ProbeOutcome } from './probe-once.ts';

export type ProbeType = 'startup' | 'liveness' | 'readiness';

export interface ProbeState {
  /** What counts now. */
  result: 'success' | 'failure' | 'unknown';
  last: 'success' | 'failure' | undefined;
  /** How many times in a row. */
  run: number;
}

/** Until it was tried: alive, not ready, not started. */
export const initialState = (type: ProbeType): ProbeState => ({
  result: type === 'liveness' ? 'success' : type === 'readiness' ? 'failure' : 'unknown',
  last: undefined,
  run: 0,
});

export function after(state: ProbeState, outcome: ProbeOutcome['result'], probe: Probe): ProbeState {
  if (outcome === 'unknown') return state;
  const run = outcome === state.last ? state.run + 1 : 1;
  const needed = outcome === 'failure' ? probe.failureThreshold || 3 : probe.successThreshold || 1;
  return { result: run >= needed ? outcome : state.result, last: outcome, run };
}
