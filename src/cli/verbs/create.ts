/** `kedge create`: objects from files, or simple ones from the command line. */
import { createConfigMapVerb } from './create/config-map.ts';
import { createFromFiles, CREATE_FLAGS } from './create/created.ts';
import { createDeploymentVerb } from './create/deployment.ts';
import { createJobVerb } from './create/job.ts';
import { createNamespaceVerb, createServiceAccountVerb } from './create/named.ts';
import { createSecretVerb } from './create/secret.ts';
import { fileFlags } from './manifests.ts';
import type { Verb } from './verb.ts';

export const createVerb: Verb = {
  name: 'create',
  summary: 'create objects from files or from the command line',
  usage: '-f FILENAME',
  flags: [...fileFlags('to create'), ...CREATE_FLAGS],
  verbs: [
    createConfigMapVerb,
    createDeploymentVerb,
    createJobVerb,
    createNamespaceVerb,
    createSecretVerb,
    createServiceAccountVerb,
  ],
  run: createFromFiles,
};
