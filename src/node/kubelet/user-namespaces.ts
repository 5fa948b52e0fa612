/**
 * Pods with `hostUsers: false`: refused unless they can be what they ask for, because a pod that silently ran as the host's
 * users would be less safe than it says. Source: KEP-127; texts are upstream's.
 */
import type { Pod } from '#api/generated/schema.ts';
import type { RuntimeHandler } from '#node/runtime/runtime.ts';

/** A runtime that says nothing of its handlers (containerd before 2.0) knows none. */
export function userNamespaceRefusal(
  { spec }: Pod,
  handlerName: string,
  handlers: readonly RuntimeHandler[],
): string | undefined {
  if (spec.hostUsers !== false) return undefined;
  const what = handlerName ? `RuntimeClass handler ${JSON.stringify(handlerName)}` : 'runtime';
  const refusal = `can't set \`spec.hostUsers: false\`, ${what} does not support user namespaces`;
  const handler = handlers.find(({ name }) => name === handlerName);
  if (!handler) return `${refusal}: the handler ${JSON.stringify(handlerName)} is not known`;
  // The kubelet gives out no ranges of users yet: what a runtime could do is not asked of it.
  return handler.userNamespaces ? `${refusal}: this kubelet assigns no users to pods` : refusal;
}
