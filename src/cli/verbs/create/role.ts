/** `kedge create role`: what may be done in a namespace. */
import type { Verb } from '../verb.ts';
import { VerbError } from '../verb-error.ts';
import { createObject, OBJECT_FLAGS, onlyName } from './created.ts';
import { refuseUnknown, resourcesIn, RULE_FLAGS, rulesFor, verbsIn, warnOfOddVerbs } from './policy-rules.ts';

export const createRoleVerb: Verb = {
  name: 'role',
  summary: 'create a Role: what may be done in a namespace',
  usage: 'NAME --verb=verb --resource=resource.group/subresource [--resource-name=resourcename]',
  flags: [...OBJECT_FLAGS, ...RULE_FLAGS],
  async run(call) {
    const name = onlyName(call);
    const [verbs, resources] = [verbsIn(call), resourcesIn(call)];
    if (verbs.length === 0) throw new VerbError('at least one verb must be specified');
    warnOfOddVerbs(call, verbs);
    if (resources.length === 0) throw new VerbError('at least one resource must be specified');
    const served = await call.cluster.resources();
    refuseUnknown(served, resources, verbs);
    const rules = rulesFor(call, served);
    return createObject(call, { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: { name }, rules });
  },
};
