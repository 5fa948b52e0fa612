/** Brings the roles and bindings of `bootstrapObjects` into the cluster at each start. */
import type { ClusterRole, ClusterRoleBinding, Role, RoleBinding } from '#api/generated/schema.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { type KubeObject, keyOf } from '#api/machinery/object.ts';
import { hasReason } from '#api/machinery/status.ts';
import { ClusterRole as ClusterRoleKind } from '#api/rbac/v1/cluster-role.ts';
import { ClusterRoleBinding as ClusterRoleBindingKind } from '#api/rbac/v1/cluster-role-binding.ts';
import { Role as RoleKind } from '#api/rbac/v1/role.ts';
import { RoleBinding as RoleBindingKind } from '#api/rbac/v1/role-binding.ts';
import type { Client, Draft } from '#client/client.ts';
import {
  type BootstrapObject,
  bootstrapObjects,
  type DerivedRole,
  isToBeReplaced,
  reconciled,
} from './bootstrap-objects.ts';

type RbacObject = ClusterRole | ClusterRoleBinding | Role | RoleBinding;

const KINDS: readonly Kind[] = [ClusterRoleKind, ClusterRoleBindingKind, RoleKind, RoleBindingKind];

/**
 * Creates what is missing, adds to what lacks something. The namespaces kube-system and kube-public must exist. The writes
 * are sent together, so that they share flushes. Somebody else doing the same at the same time does no harm.
 */
export async function ensureBootstrapObjects(client: Client, derived: readonly DerivedRole[] = []): Promise<void> {
  const wanted = bootstrapObjects(derived);
  await Promise.all(
    KINDS.map(async (kind) => {
      const { items } = await client.list(kind);
      const stored = new Map(items.map((item) => [keyOf(item), item as RbacObject]));
      const own = wanted.filter((object) => object.kind === kind.kind);
      await Promise.all(own.map((object) => ensure(client, kind, { object, stored: stored.get(keyOf(object)) })));
    }),
  );
}

interface Pair {
  object: BootstrapObject;
  stored: RbacObject | undefined;
}

async function ensure(client: Client, kind: Kind, { object, stored }: Pair): Promise<void> {
  try {
    const isReplaced = stored !== undefined && isToBeReplaced(object, stored);
    if (isReplaced) await client.delete(kind, stored.metadata);
    if (!stored || isReplaced) {
      await client.create(kind, object as Draft<KubeObject>);
      return;
    }
    const next = reconciled(object, stored);
    if (next) await client.update(kind, next as Draft<KubeObject>);
  } catch (error) {
    // Another API server was faster; what it wrote is looked at when the next one starts.
    if (!hasReason(error, 'AlreadyExists', 'Conflict')) throw error;
  }
}
