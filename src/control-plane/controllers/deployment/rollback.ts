/** The way back that an annotation asks for; what is left of the field `rollbackTo` of earlier versions. Source: rollback.go. */
import type { Deployment, ReplicaSet } from '#api/generated/schema.ts';
import { hasTemplate, isCopied, POD_TEMPLATE_HASH, revisionIn, revisionOf, revisionOrder } from './replica-sets.ts';

const ROLLBACK_TO = 'deprecated.deployment.rollback.to';

export interface Rollback {
  /** It asks for nothing any more. */
  deployment: Deployment;
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
}

/** The revision, 0 for the one before; undefined: it does not ask for one. */
export const askedRevision = ({ metadata }: Deployment): bigint | undefined =>
  revisionIn(metadata.annotations?.[ROLLBACK_TO]);

export function rollbackTo(asked: bigint, deployment: Deployment, all: readonly ReplicaSet[]): Rollback {
  const { [ROLLBACK_TO]: _, ...annotations } = deployment.metadata.annotations ?? {};
  const given = { ...deployment, metadata: { ...deployment.metadata, annotations } };
  const refused = (reason: string, message: string): Rollback => ({
    ...{ deployment: given, type: 'Warning', reason: `DeploymentRollback${reason}`, message },
  });
  const revision = asked || lastRevision(all);
  if (revision === 0n) return refused('RevisionNotFound', 'Unable to find last revision.');
  const target = all.find((rs) => revisionOf(rs) === revision);
  if (!target) return refused('RevisionNotFound', 'Unable to find the revision to rollback to.');
  const name = JSON.stringify(deployment.metadata.name);
  if (hasTemplate(target, deployment.spec.template))
    return refused(
      'TemplateUnchanged',
      `The rollback revision contains the same template as current deployment ${name}`,
    );
  const message = `Rolled back deployment ${name} to revision ${revision}`;
  return { deployment: withTemplateOf(target, given), type: 'Normal', reason: 'DeploymentRollback', message };
}

/** The one before the newest. */
function lastRevision(all: readonly ReplicaSet[]): bigint {
  const last = [...all].sort(revisionOrder).at(-2);
  return last ? revisionOf(last) : 0n;
}

/** Its annotations come back with it: they tell of that revision. */
function withTemplateOf(rs: ReplicaSet, deployment: Deployment): Deployment {
  const { template } = rs.spec;
  const { [POD_TEMPLATE_HASH]: _, ...labels } = template.metadata?.labels ?? {};
  const own = Object.entries(deployment.metadata.annotations ?? {}).filter(([name]) => !isCopied(name));
  const its = Object.entries(rs.metadata.annotations ?? {}).filter(([name]) => isCopied(name));
  return {
    ...deployment,
    metadata: { ...deployment.metadata, annotations: Object.fromEntries([...own, ...its]) },
    spec: { ...deployment.spec, template: { ...template, metadata: { ...template.metadata, labels } } },
  };
}
