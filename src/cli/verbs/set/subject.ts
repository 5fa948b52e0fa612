/** `kedge set subject`: whom a binding gives its role to, besides those who have it. */
import { isEqual } from '#api/machinery/equal.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { RBAC_GROUP, SUBJECT_FLAGS } from '../create/subjects.ts';
import type { Verb, VerbCall } from '../verb.ts';
import { VerbError } from '../verb-error.ts';
import {
  type Changed,
  changeAll,
  objectsToChange,
  refuseAllAndSelector,
  refuseLocalServer,
  refuseUnprintable,
  SELECTED_SET_FLAGS,
} from './changing.ts';

export const setSubjectVerb: Verb = {
  name: 'subject',
  summary: 'give the role of a binding to further users, groups or ServiceAccounts',
  usage: '(-f FILENAME | TYPE NAME) [--user=username] [--group=groupname] [--serviceaccount=namespace:name]',
  flags: [...SELECTED_SET_FLAGS, ...SUBJECT_FLAGS],
  async run(call) {
    refuseUnprintable(call);
    const objects = await objectsToChange(call, call.args);
    refuseContradictions(call, objects);
    const wanted = subjectsIn(call);
    await changeAll(call, objects, {
      done: 'subjects updated',
      refused: 'failed to patch subjects to rolebinding: ',
      edit(object) {
        if (!BINDINGS.includes(object.kind ?? ''))
          throw new VerbError('setting subjects is only supported for RoleBinding/ClusterRoleBinding');
        const binding = object as KubeObject & { subjects?: object[] };
        const { subjects = [] } = binding;
        const added = wanted.filter((one) => !subjects.some((each) => isEqual(each, one)));
        if (added.length > 0) binding.subjects = [...subjects, ...added];
      },
    });
  },
};

const BINDINGS = ['RoleBinding', 'ClusterRoleBinding'];
const GIVEN = ['user', 'group', 'serviceaccount'];

function refuseContradictions(call: VerbCall, objects: readonly Changed[]): void {
  const { flags } = call;
  refuseLocalServer(call);
  refuseAllAndSelector(call);
  if (GIVEN.every((flag) => flags.list(flag).length === 0))
    throw new VerbError('you must specify at least one value of user, group or serviceaccount');
  for (const text of flags.list('serviceaccount')) {
    const [namespace, name, ...more] = text.split(':');
    if (!name || more.length > 0) throw new VerbError('serviceaccount must be <namespace>:<name>');
    if (!namespace && objects.some(({ kind }) => kind === 'ClusterRoleBinding'))
      throw new VerbError('serviceaccount must be <namespace>:<name>, namespace must be specified');
  }
}

/** Each once, in alphabetical order; a ServiceAccount without a namespace is of the command's. */
function subjectsIn({ flags, cluster }: VerbCall): object[] {
  const each = (flag: string) => [...new Set(flags.list(flag))].sort();
  return [
    ...each('user').map((name) => ({ kind: 'User', apiGroup: RBAC_GROUP, name })),
    ...each('group').map((name) => ({ kind: 'Group', apiGroup: RBAC_GROUP, name })),
    ...each('serviceaccount').map((text) => {
      const [namespace, name] = text.split(':');
      return { kind: 'ServiceAccount', name, namespace: namespace || cluster.namespace };
    }),
  ];
}
