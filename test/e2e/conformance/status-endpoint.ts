/** What somebody else than its controller says at the endpoint of an object's status. */
import { expect } from 'vitest';
import { eventually } from '../running-cluster.ts';
import type { Api } from './api.ts';

interface Told {
  status?: { conditions?: object[] };
}

/** Fails unless conditions that are put, and then patched, at the status of this object are there. */
export async function statusIsWritten(api: Api, object: string): Promise<void> {
  const path = `${object}/status`;
  const said = { type: 'StatusUpdate', status: 'True', reason: 'E2E', message: 'set by a test' };
  await eventually('it is updated', async () => {
    const now = await api.get<Told>(path);
    const conditions = [...(now.status?.conditions ?? []), said];
    return (await api.try('PUT', path, { ...now, status: { ...now.status, conditions } })).code === 200;
  });
  const { status } = await api.get<Told>(object);
  expect(status?.conditions).toContainEqual(expect.objectContaining(said));
  const conditions = [{ type: 'StatusPatched', status: 'True' }];
  const patched = await api.patch<Told>(path, { status: { conditions } });
  expect(patched.status?.conditions).toMatchObject(conditions);
}
