/** `kedge create --edit`: what files hold is edited, one object after the other, before it is created. */
import { edit, EDIT_HEADER } from '../editing.ts';
import { failuresAmong } from '../going-on.ts';
import type { ManifestObject } from '../manifests.ts';
import type { Targets } from '../targets.ts';
import { targetOf } from '../targets-in-files.ts';
import type { Target } from '../targets.ts';
import type { VerbCall } from '../verb.ts';
import { throwIfAny } from '../verb-error.ts';

/** `create` sends one, and tells it. */
export async function createEdited(
  call: VerbCall,
  { targets, errors }: Pick<Targets, 'targets' | 'errors'>,
  create: (target: Target) => Promise<void>,
): Promise<void> {
  const failures = await failuresAmong(targets, (target) => {
    const take = async (edited: readonly ManifestObject[]) => {
      for (const object of edited) await create(await targetOf(call, { object, source: '' }));
      return {};
    };
    const objects = [target.object as ManifestObject];
    return edit(call, { header: EDIT_HEADER, objects, first: target, take });
  });
  throwIfAny([...failures, ...errors]);
}
