import { EventEmitter } from 'node:events';
import { expect, test, vi } from 'vitest';
import { ManualClock } from '#base/manual-clock.ts';
import { type Channel, inheritedSockets } from './inherited-sockets.ts';
import { fakeSocket as socket } from './supervisor/fake-socket.ts';

/** To one that keeps these; what it is told is in `told`. */
function keeping(kept: Record<string, unknown>, answers = true) {
  const told: unknown[] = [];
  const channel = Object.assign(new EventEmitter(), {
    connected: true,
    send(wish: object, handle: unknown) {
      told.push(handle ? { ...wish, handle } : wish);
      if (!('give' in wish) || !answers) return;
      for (const [name, each] of Object.entries(kept)) channel.emit('message', { socket: name }, each);
      channel.emit('message', { given: Object.keys(kept).length });
    },
  });
  return { told, channel: channel as Channel & EventEmitter };
}

test('what the former process listened on is given once, and stays kept', async () => {
  const http = socket();
  const { channel, told } = keeping({ 'tcp 10.0.0.1 80': http });
  const sockets = await inheritedSockets(new ManualClock(), channel);
  expect(sockets.take('tcp 10.0.0.1 443')).toBeUndefined();
  expect(sockets.take('tcp 10.0.0.1 80')).toBe(http);
  expect(sockets.take('tcp 10.0.0.1 80')).toBeUndefined();
  const https = socket();
  sockets.keep('tcp 10.0.0.1 443', https);
  sockets.drop('tcp 10.0.0.1 80');
  expect(told).toEqual([{ give: true }, { keep: 'tcp 10.0.0.1 443', handle: https }, { drop: 'tcp 10.0.0.1 80' }]);
});

test('what nobody takes is closed: its clients would wait in vain', async () => {
  const [taken, left] = [socket(), socket()];
  const { channel, told } = keeping({ taken, left });
  const clock = new ManualClock();
  const sockets = await inheritedSockets(clock, channel);
  sockets.take('taken');
  clock.advance(10_000);
  expect([taken.isOpen, left.isOpen]).toEqual([true, false]);
  expect(told).toEqual([{ give: true }, { drop: 'left' }]);
  expect(sockets.take('left')).toBeUndefined();
});

test('a keeper that has much to do is waited for: nobody else can listen meanwhile', async () => {
  const { channel } = keeping({}, false);
  const clock = new ManualClock();
  const http = socket();
  const inherited = inheritedSockets(clock, channel);
  const isHere = vi.fn();
  void inherited.then(isHere);
  clock.advance(9_000);
  await new Promise(setImmediate);
  expect(isHere).not.toHaveBeenCalled();
  channel.emit('message', { socket: 'http' }, http);
  channel.emit('message', { given: 1 });
  expect((await inherited).take('http')).toBe(http);
});

test('what is given when nobody would take it any more is closed', async () => {
  const { channel, told } = keeping({}, false);
  const clock = new ManualClock();
  const inherited = inheritedSockets(clock, channel);
  clock.advance(10_000);
  await inherited;
  clock.advance(10_000);
  const late = socket();
  channel.emit('message', { socket: 'late' }, late);
  expect([late.isOpen, told]).toEqual([false, [{ give: true }, { drop: 'late' }]]);
});

test('it starts without them when nobody answers, or nobody is there any more', async () => {
  const clock = new ManualClock();
  const unanswered = inheritedSockets(clock, keeping({ some: socket() }, false).channel);
  clock.advance(10_000);
  expect((await unanswered).take('some')).toBeUndefined();

  const { channel, told } = keeping({}, false);
  const alone = inheritedSockets(clock, channel);
  channel.connected = false;
  channel.emit('disconnect');
  (await alone).keep('some', socket());
  expect(told).toEqual([{ give: true }]);
});
