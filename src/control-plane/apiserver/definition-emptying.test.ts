import { expect, test } from 'vitest';
import type { CustomResourceDefinition } from '#api/generated/schema.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { forbidden, internalError } from '#api/machinery/status.ts';
import { ManualClock } from '#base/manual-clock.ts';
import type { Client } from '#client/client.ts';
import { DefinitionEmptying } from './definition-emptying.ts';
import type { Caches } from './registry/caches.ts';

const kind = { plural: 'moons' } as Kind;
const RESOURCE = { group: 'g.io', plural: 'moons' };

/** A server with these objects, of which `held` stay after they were deleted. */
function world({ names = [] as string[], held = [] as string[] } = {}) {
  const clock = new ManualClock(0);
  let definition = { metadata: { name: 'moons.g.io', uid: 'u' } } as CustomResourceDefinition;
  const told: string[] = [];
  const objects = new Set(names);
  const broken = { list: undefined as Error | undefined, deletes: new Map<string, Error>() };
  const client = {
    async updateStatus(_: unknown, next: CustomResourceDefinition) {
      definition = next;
      const { status, reason, message } = next.status!.conditions!.find(({ type }) => type === 'Terminating')!;
      told.push([status, reason, message].join(' | '));
      return next;
    },
  } as unknown as Client;
  const remove = async (_: Kind, { name }: { name: string }) => {
    const error = broken.deletes.get(name);
    if (error) throw error;
    if (!held.includes(name)) objects.delete(name);
  };
  const list = async () => {
    if (broken.list) throw broken.list;
    return { items: [...objects].map((name) => ({ namespace: 'default', name })) };
  };
  const caches = { of: () => ({ list }) } as unknown as Pick<Caches, 'of'>;
  const emptying = new DefinitionEmptying({ client, caches, remove, clock });
  return { clock, told, objects, broken, deleteAll: () => emptying.deleteAll(definition, kind) };
}

const IN_PROGRESS = 'True | InstanceDeletionInProgress | CustomResource deletion is in progress';

test('all objects are deleted, and only once nothing is left is it empty', async () => {
  const { deleteAll, objects, told } = world({ names: ['a', 'b'] });
  expect(await deleteAll()).toBe(false);
  expect(objects.size).toBe(0);
  expect(await deleteAll()).toBe(true);
  expect(told).toEqual([IN_PROGRESS]);
});

test('what somebody holds is told of after a minute, and again after another', async () => {
  const { deleteAll, clock, told } = world({ names: ['a'], held: ['a'] });
  for (let round = 0; round < 2; round++) {
    await deleteAll();
    clock.advance(59_000);
    expect(await deleteAll()).toBe(false);
    clock.advance(1000);
    await deleteAll();
  }
  const left =
    'True | InstanceDeletionCheck | could not confirm zero CustomResources remaining: context deadline exceeded';
  expect(told).toEqual([IN_PROGRESS, left, IN_PROGRESS, left]);
});

test('objects that cannot be listed are told of', async () => {
  const { deleteAll, broken, told } = world({ names: ['a'] });
  broken.list = internalError('conversion webhook failed');
  await expect(deleteAll()).rejects.toBe(broken.list);
  expect(told).toEqual([
    'True | InstanceDeletionFailed | could not list instances: Internal error occurred: conversion webhook failed',
  ]);
});

test('refused deletes are told of together, each once, and keep nothing else from being deleted', async () => {
  const { deleteAll, broken, told, objects } = world({ names: ['a', 'b', 'c'] });
  for (const name of ['a', 'b']) broken.deletes.set(name, internalError('no'));
  await expect(deleteAll()).rejects.toBe(broken.deletes.get('a'));
  broken.deletes.set('b', forbidden(RESOURCE, 'b', 'why not'));
  await expect(deleteAll()).rejects.toThrow();
  expect([...objects]).toEqual(['a', 'b']);
  const failed = 'True | InstanceDeletionFailed | could not issue all deletes:';
  expect(told).toEqual([
    IN_PROGRESS,
    `${failed} Internal error occurred: no`,
    IN_PROGRESS,
    `${failed} [Internal error occurred: no, moons.g.io "b" is forbidden: why not]`,
  ]);
});
