import { expect, test } from 'vitest';
import { systemMounter } from './mounter.ts';

test('what cannot be mounted, or taken down, is told as upstream does', async () => {
  await expect(systemMounter.bind('/no such source', '/no/such target')).rejects.toMatchObject({
    code: 'MOUNT',
    message: expect.stringMatching(
      /^mount failed: exit status \d+\nMounting command: mount\nMounting arguments: --no-canonicalize --bind \/no such source \/no\/such target\nOutput: mount: .+\n$/s,
    ),
  });
  await expect(systemMounter.unmount('/no/such target')).rejects.toThrow(
    /^unmount failed: exit status \d+\nUnmounting arguments: \/no\/such target\nOutput: umount: .+\n$/s,
  );
});
