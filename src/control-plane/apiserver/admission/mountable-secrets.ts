/** An account with the annotation `kubernetes.io/enforce-mountable-secrets` lets its pods use only secrets that it lists. */
import type { Pod } from '#api/core/v1/pod.ts';
import type { ServiceAccount } from '#api/core/v1/service-account.ts';
import type { Container, EphemeralContainer } from '#api/generated/schema.ts';

const ANNOTATION = 'kubernetes.io/enforce-mountable-secrets';

/** Why the pod may not run as the account; undefined when it may. */
export function unmountableSecret(pod: Pod, account: ServiceAccount): string | undefined {
  if (!isStrict(account)) return undefined;
  const unmountable = unmountableIn(secretUses(pod), account);
  if (unmountable) return unmountable;
  const pullable = new Set((account.imagePullSecrets ?? []).map(({ name }) => name));
  for (const [index, { name }] of (pod.spec.imagePullSecrets ?? []).entries()) {
    if (!pullable.has(name))
      return `imagePullSecrets[${index}].name="${name}" is not allowed because service account ${account.metadata.name} does not reference that imagePullSecret`;
  }
  return undefined;
}

/** Likewise of ephemeral containers that are added to a pod. */
export const unmountableByEphemeral = ({ spec }: Pod, account: ServiceAccount): string | undefined =>
  isStrict(account) ? unmountableIn(ephemeralUses(spec), account) : undefined;

const isStrict = ({ metadata }: ServiceAccount): boolean =>
  /^(1|t|true)$/i.test(metadata.annotations?.[ANNOTATION] ?? '');

function unmountableIn(uses: Iterable<SecretUse>, { metadata, secrets = [] }: ServiceAccount): string | undefined {
  const mountable = new Set(secrets.map(({ name }) => name ?? ''));
  for (const { secretName, where } of uses)
    if (!mountable.has(secretName))
      return `${where} secret.secretName="${secretName}" is not allowed because service account ${metadata.name} does not reference that secret`;
  return undefined;
}

interface SecretUse {
  secretName: string;
  where: string;
}

function* ephemeralUses({ ephemeralContainers = [] }: Pod['spec']): Generator<SecretUse> {
  for (const one of ephemeralContainers) yield* usesOf(one, 'ephemeral container');
}

function* secretUses({ spec }: Pod): Generator<SecretUse> {
  for (const { secret } of spec.volumes ?? []) {
    if (secret?.secretName) yield { secretName: secret.secretName, where: 'volume with' };
  }
  for (const one of spec.initContainers ?? []) yield* usesOf(one, 'init container');
  for (const one of spec.containers) yield* usesOf(one, 'container');
  yield* ephemeralUses(spec);
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
