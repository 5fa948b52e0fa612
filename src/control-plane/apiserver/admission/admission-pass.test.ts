import { expect, test } from 'vitest';
import { Namespace } from '#api/core/v1/namespace.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { AdmissionPass, type Ask, type Timed } from './admission-pass.ts';
import { AdmissionTimes } from './admission-times.ts';
import type { AdmissionPlugin, AdmissionRequest } from './define-admission.ts';

const object = (name: string) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }) as KubeObject;
const request = { kind: Namespace as unknown as Kind, object: object('') } as AdmissionRequest;

/** Plugins named a, b and c, each of which adds its name to the object's. */
function passOf(answer: (added: KubeObject, plugin: string) => ReturnType<Ask>) {
  const times = new AdmissionTimes();
  const plugins = ['a', 'b', 'c'].map(
    (name): Timed => ({ plugin: { name } as AdmissionPlugin, times: times.plugin(name, 'admit', 'create') }),
  );
  const ask: Ask = ({ name }, { object: current }) => answer(object(`${current!.metadata.name}${name}`), name);
  return new AdmissionPass(plugins, { all: times.step('admit', 'create'), clock: new ManualClock(), ask });
}

test('it is over at once when all answer at once', () => {
  expect(passOf((added) => added).run(request)).toEqual(object('abc'));
});

for (const late of ['a', 'b', 'c'])
  test(`one that has to wait (${late}) makes the others wait, in their order`, async () => {
    const running = passOf((added, plugin) => (plugin === late ? Promise.resolve(added) : added)).run(request);
    expect(running).toBeInstanceOf(Promise);
    expect(await running).toEqual(object('abc'));
  });

test('who refuses is the end of it, at once or later', async () => {
  const asked: string[] = [];
  const refusing = (refuse: () => ReturnType<Ask>) =>
    passOf((added, plugin) => {
      asked.push(plugin);
      return plugin === 'b' ? refuse() : added;
    });
  const refusal = new Error('no');
  expect(() =>
    refusing(() => {
      throw refusal;
    }).run(request),
  ).toThrow(refusal);
  await expect(refusing(() => Promise.reject(refusal)).run(request)).rejects.toBe(refusal);
  expect(asked).toEqual(['a', 'b', 'a', 'b']);
});
