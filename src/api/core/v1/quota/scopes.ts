/** Scopes of a quota: of which objects it counts what they use. Source: documentation, "Resource Quotas" (quota scopes). */
import type { ResourceQuotaSpec, ScopedResourceSelectorRequirement } from '#api/generated/schema.ts';

export type ScopeSelector = Omit<ScopedResourceSelectorRequirement, 'scopeName' | 'operator'> & {
  scopeName: string;
  operator: string;
};

/** Both forms in which a quota may name its scopes. All must hold. */
export const scopesOf = ({ scopes = [], scopeSelector }: ResourceQuotaSpec): ScopeSelector[] => [
  ...scopes.map((scopeName) => ({ scopeName, operator: 'Exists' })),
  ...(scopeSelector?.matchExpressions ?? []),
];

/** Whether the selector holds for an object that is of these classes: by name, none or several. */
export function selectsClass({ operator, values = [] }: ScopeSelector, classes: readonly string[]): boolean {
  const isIn = classes.some((name) => values.includes(name));
  switch (operator) {
    case 'Exists':
      return classes.length > 0;
    case 'DoesNotExist':
      return classes.length === 0;
    case 'In':
      return isIn;
    case 'NotIn':
      return classes.length === 0 || classes.some((name) => !values.includes(name));
    default:
      return false;
  }
}
