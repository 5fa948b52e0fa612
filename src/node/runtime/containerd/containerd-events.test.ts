import { expect, test } from 'vitest';
import { toRuntimeEvent } from './containerd-events.ts';

const field = (number: number, text: string) => Buffer.from([(number << 3) | 2, text.length, ...Buffer.from(text)]);
const envelope = (topic: string, ...fields: Buffer[]) => ({ topic, event: { value: Buffer.concat(fields) } });

for (const { name, given, event } of [
  { name: 'a start', given: envelope('/tasks/start', field(1, 'abc')), event: { type: 'started', id: 'abc' } },
  {
    name: 'a container’s exit',
    given: envelope('/tasks/exit', field(1, 'abc'), field(2, 'abc')),
    event: { type: 'exited', id: 'abc' },
  },
  {
    name: 'the exit of what was executed in it',
    given: envelope('/tasks/exit', field(1, 'abc'), field(2, 'exec1')),
    event: undefined,
  },
  { name: 'another topic', given: envelope('/snapshot/prepare', field(1, 'abc')), event: undefined },
  { name: 'an empty message', given: envelope('/tasks/start'), event: undefined },
])
  test(`${name} is ${event ? `the event ${event.type}` : 'no event'}`, () =>
    expect(toRuntimeEvent(given)).toEqual(event));
