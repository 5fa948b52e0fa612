/** `--user`, `--group` and `--serviceaccount`: whom a binding gives a role to. */
import type { FlagSpec, Flags } from '../flags.ts';
import { VerbError } from '../verb-error.ts';

export const RBAC_GROUP = 'rbac.authorization.k8s.io';

export const SUBJECT_FLAGS: readonly FlagSpec[] = [
  { name: 'user', type: 'repeated', summary: 'a user; may be repeated' },
  { name: 'group', type: 'repeated', summary: 'a group; may be repeated' },
  { name: 'serviceaccount', type: 'repeated', summary: 'a ServiceAccount, as NAMESPACE:NAME; may be repeated' },
];

/** Throws VerbError for a ServiceAccount that is not named in full. */
export function subjectsIn(flags: Flags): { subjects?: object[] } {
  const subjects = [
    ...flags.list('user').map((name) => ({ apiGroup: RBAC_GROUP, kind: 'User', name })),
    ...flags.list('group').map((name) => ({ apiGroup: RBAC_GROUP, kind: 'Group', name })),
    ...flags.list('serviceaccount').map(serviceAccountIn),
  ];
  return subjects.length > 0 ? { subjects } : {};
}

function serviceAccountIn(text: string): object {
  const [namespace, name, ...more] = text.split(':');
  if (!namespace || !name || more.length > 0) throw new VerbError('serviceaccount must be <namespace>:<name>');
  return { kind: 'ServiceAccount', name, namespace };
}
