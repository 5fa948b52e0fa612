import { expect, test } from 'vitest';
import type { Probe } from '#api/generated/schema.ts';
import { after, initialState, type ProbeType } from './probe-state.ts';

const probe = { failureThreshold: 3, successThreshold: 2 } as Probe;
const S = 'success';
const F = 'failure';
const U = 'unknown';

for (const { name, type, outcomes, result } of [
  { name: 'alive until proved otherwise', type: 'liveness', outcomes: [], result: S },
  { name: 'two failures of three are borne', type: 'liveness', outcomes: [F, F], result: S },
  { name: 'three failures in a row count', type: 'liveness', outcomes: [F, F, F], result: F },
  { name: 'a success between starts the row again', type: 'liveness', outcomes: [F, F, S, F, F], result: S },
  { name: 'not ready until the threshold of successes', type: 'readiness', outcomes: [S], result: F },
  { name: 'ready at the threshold', type: 'readiness', outcomes: [S, S], result: S },
  { name: 'what could not be tried counts for nothing', type: 'readiness', outcomes: [S, U, S], result: S },
  { name: 'not started before it was tried', type: 'startup', outcomes: [], result: U },
] satisfies { name: string; type: ProbeType; outcomes: ('success' | 'failure' | 'unknown')[]; result: string }[])
  test(name, () => {
    const end = outcomes.reduce((state, outcome) => after(state, outcome, probe), initialState(type));
    expect(end.result).toBe(result);
  });
