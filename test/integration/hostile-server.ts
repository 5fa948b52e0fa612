/** A server that gets bad input: after each test it answers as before, and nothing of JavaScript itself has changed. */
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { type HttpsApiServer, startHttpsApiServer } from './https-api-server.ts';
import { type Answer, type Ask, RawClient, statusOf } from './raw-client.ts';

export let server: HttpsApiServer;
export let raw: RawClient;

export const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';
export const PODS = '/api/v1/namespaces/default/pods';
export const JSON_PATCH = 'application/json-patch+json';
export const MERGE_PATCH = 'application/merge-patch+json';
export const STRATEGIC_PATCH = 'application/strategic-merge-patch+json';
export const APPLY_PATCH = 'application/apply-patch+yaml';

/** For the tests of the file that calls it. There is a ConfigMap `base`. */
export function useHostileServer(): void {
  beforeAll(async () => {
    server = await startHttpsApiServer();
    raw = new RawClient(server);
    await create({ metadata: { name: 'base' }, data: { a: '1' } });
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  });
  afterEach(async () => {
    expect((await raw.ask('/livez')).text).toBe('ok');
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
}

export const send = (body: string | Uint8Array, type = 'application/json'): Ask => ({
  method: 'POST',
  body,
  headers: { 'content-type': type },
});
export const patch = (body: string, type: string): Ask => ({
  method: 'PATCH',
  body,
  headers: { 'content-type': type },
});
export const create = (object: object) => raw.ask(CONFIG_MAPS, send(JSON.stringify(object)));
export const nested = (depth: number, open: string, close: string, core = '1') =>
  open.repeat(depth) + core + close.repeat(depth);
export const brief = (answer: Answer): [number, string | undefined, string] => {
  const { reason, message } = statusOf(answer);
  return [answer.code, reason, message];
};

export const storedNames = async (): Promise<string[]> =>
  JSON.parse((await raw.ask(CONFIG_MAPS)).text).items.map((item: { metadata: { name: string } }) => item.metadata.name);
export const base = async () => JSON.parse((await raw.ask(`${CONFIG_MAPS}/base`)).text);
