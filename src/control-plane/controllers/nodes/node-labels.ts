/** The older names of what a node runs, for selectors that still use them: the newer ones say what is right. Source: nodelifecycle. */
import type { Node } from '#api/generated/schema.ts';

const OLDER = [
  ['kubernetes.io/os', 'beta.kubernetes.io/os'],
  ['kubernetes.io/arch', 'beta.kubernetes.io/arch'],
] as const;

/** undefined when they are right. */
export function labelsToMend({ metadata: { labels = {} } }: Node): Record<string, string> | undefined {
  let wrong: Record<string, string> | undefined;
  for (const [newer, older] of OLDER) {
    const value = labels[newer];
    if (value !== undefined && labels[older] !== value) wrong = { ...wrong, [older]: value };
  }
  return wrong;
}
