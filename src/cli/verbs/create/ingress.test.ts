import { expect, test } from 'vitest';
import { parseArguments } from '../flags.ts';
import type { VerbCall } from '../verb.ts';
import { createIngressVerb } from './ingress.ts';

/** kubectl takes them, and ends by an index that is out of range. */
test.each(['a/b,c=s:80', 'a/b=c=s:80', 'a/b=c=s:80,tls'])('a rule like %s is refused', async (rule) => {
  const parsed = parseArguments(createIngressVerb.flags!, ['web', `--rule=${rule}`]);
  await expect(createIngressVerb.run!({ ...parsed, path: 'kedge create ingress' } as VerbCall)).rejects.toThrow(
    `rule ${rule} is invalid and should be in format host/path=svcname:svcport[,tls[=secret]]`,
  );
});
