/** `kedge create clusterrolebinding`: whom a ClusterRole is given to, in all of the cluster. */
import type { Verb } from '../verb.ts';
import { createObject, OBJECT_FLAGS, onlyName, refuseMissing } from './created.ts';
import { RBAC_GROUP, SUBJECT_FLAGS, subjectsIn } from './subjects.ts';

export const createClusterRoleBindingVerb: Verb = {
  name: 'clusterrolebinding',
  summary: 'create a ClusterRoleBinding: whom a role is given to, in the cluster',
  usage: 'NAME --clusterrole=NAME [--user=username] [--group=groupname] [--serviceaccount=namespace:name]',
  flags: [
    ...OBJECT_FLAGS,
    ...SUBJECT_FLAGS,
    { name: 'clusterrole', type: 'string', summary: 'the ClusterRole that is given' },
  ],
  async run(call) {
    refuseMissing(call.flags, ['clusterrole']);
    const metadata = { name: onlyName(call) };
    const roleRef = { apiGroup: RBAC_GROUP, kind: 'ClusterRole', name: call.flags.string('clusterrole') };
    const binding = { apiVersion: `${RBAC_GROUP}/v1`, kind: 'ClusterRoleBinding', metadata, roleRef };
    return createObject(call, { ...binding, ...subjectsIn(call.flags) });
  },
};
