/** CEL conditions on a SubjectAccessReview: which requests an authorizing webhook is asked about at all. */
import type { SubjectAccessReviewSpec } from '#api/generated/schema.ts';
import type { Program } from '#api/machinery/cel/program.ts';

export type Match = { matches: boolean } | { error: string };

/** All must hold. One that does not settles it, whatever is wrong with the others. */
export function matchReview(conditions: readonly Program[], spec: SubjectAccessReviewSpec): Match {
  if (conditions.length === 0) return { matches: true };
  const request = shownSpec(spec);
  const errors: string[] = [];
  for (const condition of conditions) {
    const { value, error } = condition.evaluate({ request });
    if (error !== undefined)
      errors.push(`cel evaluation error: expression '${condition.source}' resulted in error: ${error}`);
    else if (value !== true) return { matches: false };
  }
  if (errors.length === 0) return { matches: true };
  return { error: errors.length === 1 ? (errors[0] ?? '') : `[${errors.join(', ')}]` };
}

/** With every text, also those that are empty: expressions need not ask whether they are there. */
function shownSpec({ user = '', uid = '', groups = [], extra = {}, ...about }: SubjectAccessReviewSpec): object {
  const { resourceAttributes: resource, nonResourceAttributes } = about;
  const texts = { namespace: '', verb: '', group: '', version: '', resource: '', subresource: '', name: '' };
  return {
    user,
    uid,
    groups,
    extra,
    ...(resource && { resourceAttributes: { ...texts, ...resource } }),
    ...(nonResourceAttributes && { nonResourceAttributes: { path: '', verb: '', ...nonResourceAttributes } }),
  };
}
