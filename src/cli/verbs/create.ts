/** `kedge create`: objects from files, or simple ones from the command line. */
import { createClusterRoleVerb } from './create/cluster-role.ts';
import { createClusterRoleBindingVerb } from './create/cluster-role-binding.ts';
import { createConfigMapVerb } from './create/config-map.ts';
import { createFromFiles, CREATE_FLAGS } from './create/created.ts';
import { createCronJobVerb } from './create/cron-job.ts';
import { createDeploymentVerb } from './create/deployment.ts';
import { createDisruptionBudgetVerb } from './create/disruption-budget.ts';
import { createIngressVerb } from './create/ingress.ts';
import { createJobVerb } from './create/job.ts';
import { createNamespaceVerb, createServiceAccountVerb } from './create/named.ts';
import { createPriorityClassVerb } from './create/priority-class.ts';
import { createQuotaVerb } from './create/quota.ts';
import { createRoleVerb } from './create/role.ts';
import { createRoleBindingVerb } from './create/role-binding.ts';
import { createSecretVerb } from './create/secret.ts';
import { createServiceVerb } from './create/service.ts';
import { createTokenVerb } from './create/token.ts';
import { fileFlags } from './manifests.ts';
import type { Verb } from './verb.ts';

export const createVerb: Verb = {
  name: 'create',
  summary: 'create objects from files or from the command line',
  usage: '-f FILENAME',
  flags: [...fileFlags('to create'), ...CREATE_FLAGS],
  verbs: [
    createClusterRoleVerb,
    createClusterRoleBindingVerb,
    createConfigMapVerb,
    createCronJobVerb,
    createDeploymentVerb,
    createIngressVerb,
    createJobVerb,
    createNamespaceVerb,
    createDisruptionBudgetVerb,
    createPriorityClassVerb,
    createQuotaVerb,
    createRoleVerb,
    createRoleBindingVerb,
    createSecretVerb,
    createServiceVerb,
    createServiceAccountVerb,
    createTokenVerb,
  ],
  run: createFromFiles,
};
