import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Pod } from '#api/core/v1/pod.ts';
import { PodList } from './pod-list.ts';

const pod = (name: string) => ({ metadata: { name } }) as unknown as Pod;
const namesOf = (list: PodList) => list.toArray().map(({ metadata }) => metadata.name);

const steps = fc.record({
  /** Which of the lists made so far. */
  from: fc.nat(20),
  what: fc.constantFrom('with' as const, 'with' as const, 'with' as const, 'without' as const, 'replaced' as const),
  at: fc.nat(5),
});

test('a list stays as it was, whatever is made from it', () => {
  fc.assert(
    fc.property(fc.array(steps, { minLength: 10, maxLength: 40 }), (history) => {
      const made: { list: PodList; names: string[] }[] = [{ list: PodList.empty, names: [] }];
      for (const [index, { from, what, at }] of history.entries()) {
        const { list, names } = made[from % made.length] as (typeof made)[number];
        const there = list.toArray()[at % Math.max(1, list.length)];
        const name = `p${index}`;
        if (what === 'with') made.push({ list: list.with(pod(name)), names: [...names, name] });
        else if (!there) continue;
        else if (what === 'without')
          made.push({ list: list.without(there), names: names.filter((each) => each !== there.metadata.name) });
        else
          made.push({
            list: list.withReplaced(there, pod(name), { isAlike: false }),
            names: names.map((each) => (each === there.metadata.name ? name : each)),
          });
        // Only the newest is looked at in between: looking keeps what was seen.
        expect(made.at(-1)?.list.length).toBe(made.at(-1)?.names.length);
      }
      for (const { list, names } of made) expect(namesOf(list)).toEqual(names);
    }),
  );
});

test('what comes last is added without copying what is there', () => {
  let list = PodList.empty;
  for (let i = 0; i < 100_000; i++) list = list.with(pod(`p${i}`)); // copied each time, it would take minutes
  expect(list.length).toBe(100_000);
});
