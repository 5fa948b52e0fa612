import { expect, test } from 'vitest';
import type { LogRecord } from './backend.ts';
import { Floors } from './floors.ts';
import { History } from './history.ts';
import type { Stored } from './storage.ts';
import { VisibleState } from './visible-state.ts';

const at = (modRevision: number, key = '/a'): Stored => ({
  key,
  value: Buffer.from(`v${modRevision}`),
  createRevision: 1,
  modRevision,
});

/** `/a` was written at 2 (visible) and at 3, which becomes visible only after the first page of the log was read. */
function historyWithAFlushUnderWay() {
  const visible = new VisibleState([at(2)], 2);
  const log: LogRecord[] = [
    { revision: 2, key: '/a', before: undefined },
    { revision: 3, key: '/a', before: at(2) },
    { revision: 4, key: '/b', before: undefined },
  ];
  const records = (_prefix: string, above: number) => {
    if (above < 3) setImmediate(flushed);
    return above < 3 ? { records: log.filter(({ revision }) => revision > above && revision <= 3), next: 3 } : LAST;
  };
  const LAST = { records: log.slice(2), next: undefined };
  const flushed = () =>
    visible.apply({
      events: [
        { key: '/a', revision: 3, now: at(3), before: at(2) },
        { key: '/b', revision: 4, now: at(4, '/b'), before: undefined },
      ],
      revision: 4,
    });
  return new History({ backend: { records }, visible, floors: new Floors() });
}

test('what becomes visible while pages are read changes no event of before', async () => {
  const events = await historyWithAFlushUnderWay().events('/', 1, 2);
  expect(events).toEqual([{ key: '/a', revision: 2, before: undefined, now: at(2) }]);
});

test('what becomes visible while pages are read is not taken for what stood in the past', async () => {
  const replaced = await historyWithAFlushUnderWay().takenBack('/', 2, (found) => new Map(found));
  expect([...replaced.keys()]).toEqual([]);
});
