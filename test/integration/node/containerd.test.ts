import { expect, afterAll, beforeAll, test } from 'vitest';
import { runtimeConformance } from '#node/runtime/runtime-conformance.ts';
import { type PrivateContainerd, startPrivateContainerd, TEST_IMAGE } from '../../node/private-containerd.ts';

let containerd: PrivateContainerd;
beforeAll(async () => {
  containerd = await startPrivateContainerd('10.213.1.0/24');
});
afterAll(() => containerd.close());

let count = 0;
runtimeConformance(
  {
    runtime: () => containerd.runtime,
    image: TEST_IMAGE,
    logDirectory: () => `${containerd.directory}/logs`,
    unique: () => count++,
  },
  { test: (name, run) => test(name, run), equal: (actual, expected) => expect(actual).toEqual(expected) },
);

test('a bad image archive is refused in the runtime’s own words', async () => {
  const { Readable } = await import('node:stream');
  await expect(containerd.runtime.importImage(Readable.from([Buffer.from('not a tar')]))).rejects.toThrow(
    /importing the image archive: /,
  );
});
