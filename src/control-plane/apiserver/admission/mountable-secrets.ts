/** An account with the annotation `kubernetes.io/enforce-mountable-secrets` lets its pods use only secrets that it lists. */
import type { Pod } from '#api/core/v1/pod.ts';
import type { ServiceAccount } from '#api/core/v1/service-account.ts';
import type { Container, EphemeralContainer } from '#api/generated/schema.ts';

const ANNOTATION = 'kubernetes.io/enforce-mountable-secrets';

/** Why the pod may not run as the account; undefined when it may. */
export function unmountableSecret(pod: Pod, account: ServiceAccount): string | undefined {
  if (!/^(1|t|true)$/i.test(account.metadata.annotations?.[ANNOTATION] ?? '')) return undefined;
  const mountable = new Set((account.secrets ?? []).map(({ name }) => name ?? ''));
  const suffix = `is not allowed because service account ${account.metadata.name} does not reference that secret`;
  for (const { secretName, where } of secretUses(pod)) {
    if (!mountable.has(secretName)) return `${where} secret.secretName="${secretName}" ${suffix}`;
  }
  const pullable = new Set((account.imagePullSecrets ?? []).map(({ name }) => name));
  for (const [index, { name }] of (pod.spec.imagePullSecrets ?? []).entries()) {
    if (!pullable.has(name))
      return `imagePullSecrets[${index}].name="${name}" is not allowed because service account ${account.metadata.name} does not reference that imagePullSecret`;
  }
  return undefined;
}

function* secretUses({ spec }: Pod): Generator<{ secretName: string; where: string }> {
  for (const { secret } of spec.volumes ?? []) {
    if (secret?.secretName) yield { secretName: secret.secretName, where: 'volume with' };
  }
  for (const one of spec.initContainers ?? []) yield* usesOf(one, 'init container');
  for (const one of spec.containers) yield* usesOf(one, 'container');
  for (const one of spec.ephemeralContainers ?? []) yield* usesOf(one, 'ephemeral container');
}

function* usesOf({ name, env = [], envFrom = [] }: Container | EphemeralContainer, what: string) {
  for (const variable of env) {
    const secretName = variable.valueFrom?.secretKeyRef?.name;
    if (secretName) yield { secretName, where: `${what} ${name} with envVar ${variable.name} referencing` };
  }
  for (const { secretRef } of envFrom) {
    if (secretRef?.name) yield { secretName: secretRef.name, where: `${what} ${name} with envFrom referencing` };
  }
}
