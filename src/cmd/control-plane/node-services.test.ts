import { expect, test } from 'vitest';
import { NodeServices } from './node-services.ts';

function services() {
  const told: string[] = [];
  const good = async () => {
    told.push('opened');
    return async () => void told.push('closed');
  };
  const bad = () => Promise.reject(new Error('no address'));
  const plain = async () => undefined;
  return { told, good, bad, plain };
}

test('they are opened once, whoever asks, and closed', async () => {
  const { told, good, plain } = services();
  const all = new NodeServices([plain, good]);
  await Promise.all([all.open(), all.open()]);
  await all.open();
  expect(told).toEqual(['opened']);
  await all.close();
  expect(told).toEqual(['opened', 'closed']);
});

test('one that cannot be opened is told, and leaves the others alone', async () => {
  const { told, good, bad } = services();
  const all = new NodeServices([bad, good]);
  await expect(all.open()).rejects.toThrow('no address');
  await all.close();
  expect(told).toEqual(['opened', 'closed']);
});

test('what is closed is not opened any more', async () => {
  const { told, good } = services();
  const all = new NodeServices([good]);
  await all.close();
  await all.open();
  expect(told).toEqual([]);
});
