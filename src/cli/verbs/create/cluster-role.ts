/** `kedge create clusterrole`: what may be done in all of the cluster, with paths of the server, too. */
import type { Verb, VerbCall } from '../verb.ts';
import { VerbError } from '../verb-error.ts';
import { createObject, OBJECT_FLAGS, onlyName } from './created.ts';
import {
  type PolicyRule,
  refuseUnknown,
  resourcesIn,
  RULE_FLAGS,
  rulesFor,
  verbsIn,
  warnOfOddVerbs,
} from './policy-rules.ts';

const PATH_VERBS = ['*', 'get', 'post', 'put', 'delete', 'patch', 'head', 'options'];

export const createClusterRoleVerb: Verb = {
  name: 'clusterrole',
  summary: 'create a ClusterRole: what may be done in the cluster',
  usage: 'NAME --verb=verb --resource=resource.group [--resource-name=resourcename]',
  flags: [
    ...OBJECT_FLAGS,
    ...RULE_FLAGS,
    { name: 'non-resource-url', type: 'list', summary: 'a path of the server, with * at its end for all below it' },
    { name: 'aggregation-rule', type: 'pairs', summary: 'labels of the ClusterRoles that it is made of' },
  ],
  async run(call) {
    const metadata = { name: onlyName(call) };
    const role = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata };
    const matchLabels = call.flags.pairs('aggregation-rule');
    if (Object.keys(matchLabels).length === 0)
      return createObject(call, { ...role, rules: await rulesIn(call), metadata });
    refuseBesideAggregation(call);
    return createObject(call, { aggregationRule: { clusterRoleSelectors: [{ matchLabels }] }, ...role, rules: null });
  },
};

function refuseBesideAggregation({ flags }: VerbCall): void {
  if (['non-resource-url', 'verb', 'resource', 'resource-name'].some((flag) => flags.list(flag).length > 0))
    throw new VerbError(
      'aggregation rule must be specified without nonResourceURLs, verbs, resources or resourceNames',
    );
}

async function rulesIn(call: VerbCall): Promise<PolicyRule[]> {
  const [verbs, resources] = [verbsIn(call), resourcesIn(call)];
  const paths = [...new Set(call.flags.list('non-resource-url'))];
  if (verbs.length === 0) throw new VerbError('at least one verb must be specified');
  if (resources.length === 0 && paths.length === 0)
    throw new VerbError('one of resource or nonResourceURL must be specified');
  const served = await call.cluster.resources();
  if (resources.length > 0) {
    warnOfOddVerbs(call, verbs);
    refuseUnknown(served, resources, verbs);
  }
  if (paths.length > 0) refuseOddPaths(paths, verbs);
  return [...rulesFor(call, served), ...(paths.length > 0 ? [{ nonResourceURLs: paths, verbs }] : [])];
}

function refuseOddPaths(paths: readonly string[], verbs: readonly string[]): void {
  const odd = verbs.find((verb) => !PATH_VERBS.includes(verb));
  if (odd !== undefined) throw new VerbError(`invalid verb: '${odd}' for nonResourceURL`);
  for (const path of paths) {
    if (path === '*') continue;
    if (!path.startsWith('/')) throw new VerbError('nonResourceURL should start with /');
    if (path.slice(0, -1).includes('*'))
      throw new VerbError("nonResourceURL only supports wildcard matches when '*' is at the end");
  }
}
