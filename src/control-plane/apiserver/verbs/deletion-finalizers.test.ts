import { expect, test } from 'vitest';
import type { Kind } from '#api/machinery/kind.ts';
import type { ObjectMeta } from '#api/machinery/object.ts';
import type { DeleteOptions } from './delete-options.ts';
import { finalizersFor } from './deletion-finalizers.ts';

const kind = (defaultPropagation: 'Background' | 'Orphan') => ({ defaultPropagation }) as Kind;

for (const [policy, standing, options, expected] of [
  ['Background', [], {}, []],
  ['Background', ['mine'], { propagationPolicy: 'Foreground' }, ['mine', 'foregroundDeletion']],
  ['Background', [], { propagationPolicy: 'Orphan' }, ['orphan']],
  ['Background', ['orphan'], {}, ['orphan']],
  ['Background', ['orphan'], { propagationPolicy: 'Background' }, []],
  ['Background', ['foregroundDeletion'], {}, ['foregroundDeletion']],
  ['Orphan', [], {}, ['orphan']],
  ['Orphan', [], { propagationPolicy: 'Background' }, []],
  ['Background', [], { orphanDependents: true }, ['orphan']],
  ['Orphan', [], { orphanDependents: false }, []],
] as ['Background' | 'Orphan', string[], DeleteOptions, string[]][]) {
  test(`${policy} by default, ${JSON.stringify(standing)} there, deleted with ${JSON.stringify(options)}`, () => {
    expect(finalizersFor(kind(policy), { finalizers: standing } as ObjectMeta, options)).toEqual(expected);
  });
}
