/** `kedge create rolebinding`: whom a role is given to, in a namespace. */
import type { Verb } from '../verb.ts';
import { VerbError } from '../verb-error.ts';
import { createObject, OBJECT_FLAGS, onlyName } from './created.ts';
import { RBAC_GROUP, SUBJECT_FLAGS, subjectsIn } from './subjects.ts';

export const createRoleBindingVerb: Verb = {
  name: 'rolebinding',
  summary: 'create a RoleBinding: whom a role is given to, in a namespace',
  usage: 'NAME --clusterrole=NAME|--role=NAME [--user=username] [--group=groupname] [--serviceaccount=namespace:name]',
  flags: [
    ...OBJECT_FLAGS,
    ...SUBJECT_FLAGS,
    { name: 'role', type: 'string', summary: 'the Role that is given' },
    { name: 'clusterrole', type: 'string', summary: 'the ClusterRole that is given' },
  ],
  async run(call) {
    const metadata = { name: onlyName(call) };
    const [role, clusterRole] = [call.flags.string('role'), call.flags.string('clusterrole')];
    if (Boolean(role) === Boolean(clusterRole))
      throw new VerbError('exactly one of clusterrole or role must be specified');
    const roleRef = { apiGroup: RBAC_GROUP, kind: role ? 'Role' : 'ClusterRole', name: role || clusterRole };
    const binding = { apiVersion: `${RBAC_GROUP}/v1`, kind: 'RoleBinding', metadata, roleRef };
    return createObject(call, { ...binding, ...subjectsIn(call.flags) });
  },
};
