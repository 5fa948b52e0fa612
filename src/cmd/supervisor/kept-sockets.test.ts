import type { ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { silentLog } from '#base/log.ts';
import { fakeSocket as socket } from './fake-socket.ts';
import { KeptSockets } from './kept-sockets.ts';

function child() {
  const got: unknown[] = [];
  const send = (message: unknown, handle: unknown) => void got.push(handle ? [message, handle] : message);
  const emitter = Object.assign(new EventEmitter(), { connected: true, send });
  return {
    got,
    process: emitter as unknown as ChildProcess,
    says: (wish: object, handle?: object) => emitter.emit('message', wish, handle),
    disconnect: () => Object.assign(emitter, { connected: false }),
  };
}

test('the next process is given what the former one kept, and did not drop', () => {
  const sockets = new KeptSockets(silentLog);
  const [first, second] = [child(), child()];
  const [dns, http] = [socket(), socket()];
  sockets.serve(first.process);
  first.says({ keep: 'dns' }, dns);
  first.says({ keep: 'http' }, http);
  first.says({ drop: 'http' });
  sockets.serve(second.process);
  second.says({ give: true });
  expect(second.got).toEqual([[{ socket: 'dns' }, dns], { given: 1 }]);
  expect([dns.isOpen, http.isOpen]).toEqual([true, false]);
});

test('a socket takes the place of another under its name', () => {
  const sockets = new KeptSockets(silentLog);
  const one = child();
  const [before, after] = [socket(), socket()];
  sockets.serve(one.process);
  one.says({ keep: 'dns' }, before);
  one.says({ keep: 'dns' }, after);
  expect([before.isOpen, after.isOpen, sockets.names]).toEqual([false, true, ['dns']]);
});

test('what a process that has ended says late is not kept', () => {
  const sockets = new KeptSockets(silentLog);
  const [first, second] = [child(), child()];
  sockets.serve(first.process);
  sockets.serve(second.process);
  const late = socket();
  first.says({ keep: 'late' }, late);
  expect([late.isOpen, sockets.names]).toEqual([false, []]);
});

test('closed, it keeps nothing more, and one that has gone is given nothing', () => {
  const sockets = new KeptSockets(silentLog);
  const one = child();
  const [dns, late] = [socket(), socket()];
  sockets.serve(one.process);
  one.says({ keep: 'dns' }, dns);
  one.disconnect();
  one.says({ give: true });
  sockets.close();
  one.says({ keep: 'late' }, late);
  expect([dns.isOpen, late.isOpen, sockets.names, one.got]).toEqual([false, false, [], []]);
});

test('nobody fills it without end', () => {
  const sockets = new KeptSockets(silentLog);
  const one = child();
  sockets.serve(one.process);
  const all = Array.from({ length: 1_025 }, socket);
  for (const [i, each] of all.entries()) one.says({ keep: `tcp ${i}` }, each);
  expect(sockets.names).toHaveLength(1_024);
  expect(all.filter(({ isOpen }) => !isOpen)).toEqual([all[1_024]]);
});
