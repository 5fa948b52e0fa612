/** kubectl's verbs, for people who have no kubectl: each is loaded when it is called. In the order of `kedge --help`. */
import type { Verb } from './verb.ts';

export interface ListedVerb {
  name: string;
  summary: string;
  load(): Promise<Verb>;
}

export const verbs: readonly ListedVerb[] = [
  { name: 'get', summary: 'print one or many objects', load: async () => (await import('./get.ts')).getVerb },
  {
    name: 'describe',
    summary: 'tell about an object or a group of objects',
    load: async () => (await import('./describe.ts')).describeVerb,
  },
  {
    name: 'apply',
    summary: 'create or change objects as files say',
    load: async () => (await import('./apply.ts')).applyVerb,
  },
  {
    name: 'create',
    summary: 'create objects from files or from the command line',
    load: async () => (await import('./create.ts')).createVerb,
  },
  { name: 'delete', summary: 'delete objects', load: async () => (await import('./delete.ts')).deleteVerb },
  {
    name: 'patch',
    summary: 'change some fields of an object',
    load: async () => (await import('./patch.ts')).patchVerb,
  },
  {
    name: 'label',
    summary: 'change the labels of objects',
    load: async () => (await import('./edited-metadata.ts')).labelVerb,
  },
  {
    name: 'annotate',
    summary: 'change the annotations of objects',
    load: async () => (await import('./edited-metadata.ts')).annotateVerb,
  },
  {
    name: 'set',
    summary: 'set one part of what objects are to be',
    load: async () => (await import('./set.ts')).setVerb,
  },
  {
    name: 'scale',
    summary: 'set how many replicas there are to be',
    load: async () => (await import('./scale.ts')).scaleVerb,
  },
  {
    name: 'autoscale',
    summary: 'let a workload have as many replicas as it needs',
    load: async () => (await import('./autoscale.ts')).autoscaleVerb,
  },
  {
    name: 'rollout',
    summary: 'follow, stop, go on with or take back a rollout',
    load: async () => (await import('./rollout.ts')).rolloutVerb,
  },
  {
    name: 'wait',
    summary: 'wait until objects are as they should be',
    load: async () => (await import('./wait.ts')).waitVerb,
  },
  {
    name: 'logs',
    summary: 'print what the containers of a pod wrote',
    load: async () => (await import('./logs.ts')).logsVerb,
  },
  { name: 'exec', summary: 'run a command in a container', load: async () => (await import('./exec.ts')).execVerb },
  {
    name: 'attach',
    summary: 'join the process of a container that runs',
    load: async () => (await import('./exec.ts')).attachVerb,
  },
  {
    name: 'port-forward',
    summary: 'lead ports of this machine to a pod',
    load: async () => (await import('./port-forward.ts')).portForwardVerb,
  },
  {
    name: 'cp',
    summary: 'copy files into containers and out of them',
    load: async () => (await import('./cp.ts')).cpVerb,
  },
  {
    name: 'why',
    summary: 'tell why a pod is on its node, or on none, and what would change that',
    load: async () => (await import('./why.ts')).whyVerb,
  },
  {
    name: 'trace',
    summary: 'tell every hop that a request takes, and where and why it breaks',
    load: async () => (await import('./trace.ts')).traceVerb,
  },
  {
    name: 'explain',
    summary: 'tell what the fields of a kind mean',
    load: async () => (await import('./explain.ts')).explainVerb,
  },
  {
    name: 'api-resources',
    summary: 'list the types that the server serves',
    load: async () => (await import('./api-resources.ts')).apiResourcesVerb,
  },
  {
    name: 'api-versions',
    summary: 'list the groups and versions that the server serves',
    load: async () => (await import('./api-resources.ts')).apiVersionsVerb,
  },
  {
    name: 'cordon',
    summary: 'let no more pods be put on a node',
    load: async () => (await import('./cordon.ts')).cordonVerb,
  },
  {
    name: 'uncordon',
    summary: 'let pods be put on a node again',
    load: async () => (await import('./cordon.ts')).uncordonVerb,
  },
  {
    name: 'taint',
    summary: 'change what keeps pods from nodes',
    load: async () => (await import('./taint.ts')).taintVerb,
  },
  { name: 'drain', summary: 'empty a node, for work on it', load: async () => (await import('./drain.ts')).drainVerb },
  { name: 'auth', summary: 'ask what one may do', load: async () => (await import('./auth.ts')).authVerb },
  {
    name: 'version',
    summary: 'print the versions of client and server',
    load: async () => (await import('./version.ts')).versionVerb,
  },
  {
    name: 'cluster-info',
    summary: 'tell where the cluster is',
    load: async () => (await import('./cluster-info.ts')).clusterInfoVerb,
  },
  {
    name: 'replace',
    summary: 'put objects from files in the place of those that are there',
    load: async () => (await import('./replace.ts')).replaceVerb,
  },
  { name: 'run', summary: 'run an image in a pod', load: async () => (await import('./run.ts')).runVerb },
  {
    name: 'config',
    summary: 'look at the kubeconfig, and change which context is used',
    load: async () => (await import('./config.ts')).configVerb,
  },
  {
    name: 'edit',
    summary: 'change an object in an editor',
    load: async () => (await import('./edit.ts')).editVerb,
  },
  { name: 'diff', summary: 'tell what apply would change', load: async () => (await import('./diff.ts')).diffVerb },
  {
    name: 'expose',
    summary: 'make a Service for pods that there are',
    load: async () => (await import('./expose.ts')).exposeVerb,
  },
  { name: 'top', summary: 'tell what nodes and pods use', load: async () => (await import('./top.ts')).topVerb },
];
