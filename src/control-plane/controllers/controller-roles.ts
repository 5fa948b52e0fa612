/** What a controller may do, derived from what it declares. Names as upstream's: `system:controller:<service account>`. */
import type { PolicyRule } from '#api/generated/schema.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { Controller, Declaration, KindController } from './define-controller.ts';

/** The user that a controller's requests carry. */
export const userOf = (controller: Controller): string =>
  `system:serviceaccount:kube-system:${controller.serviceAccount}`;

export const clusterRoleNameOf = (controller: Controller): string => `system:controller:${controller.serviceAccount}`;

const EVENTS: PolicyRule = {
  apiGroups: ['', 'events.k8s.io'],
  resources: ['events'],
  verbs: ['create', 'patch', 'update'],
};

/** None for a controller that has Roles of its own. */
export function rulesOf(controller: Controller): PolicyRule[] {
  if (controller.form === 'any kind') return [...controller.spec.also, EVENTS];
  if (controller.spec.hasRoles) return [];
  const verbs = new Map<string, { group: string; resource: string; verbs: Set<string> }>();
  const allow = (kind: Kind, subresource: string, ...allowed: string[]) => {
    const resource = subresource ? `${kind.plural}/${subresource}` : kind.plural;
    const id = `${kind.group}/${resource}`;
    const known = verbs.get(id) ?? { group: kind.group, resource, verbs: new Set<string>() };
    for (const verb of allowed) known.verbs.add(verb);
    verbs.set(id, known);
  };
  allowFromSpec(controller, allow);
  const derived = [...verbs.values()].map(({ group, resource, verbs: allowed }) => ({
    apiGroups: [group],
    resources: [resource],
    verbs: [...allowed].sort(),
  }));
  return [...derived, ...(controller.spec.also ?? []), EVENTS];
}

type Allow = (kind: Kind, subresource: string, ...verbs: string[]) => void;

function allowFromSpec({ spec }: KindController, allow: Allow): void {
  const { create = [], update = [], patch = [], delete: remove = [], status = [], approval = [] } = spec.writes ?? {};
  for (const kind of readsOf(spec)) allow(kind, '', 'get', 'list', 'watch');
  for (const kind of create) allow(kind, '', 'create');
  for (const kind of update) allow(kind, '', 'update');
  for (const kind of patch) allow(kind, '', 'patch');
  for (const kind of remove) allow(kind, '', 'delete');
  for (const kind of status) allow(kind, 'status', 'update');
  for (const kind of approval) allow(kind, 'approval', 'update');
  // An owner that blocks its deletion for something may only be named by who may finalize it.
  if (spec.owns?.length) allow(spec.reconciles, 'finalizers', 'update');
}

export const readsOf = (spec: Declaration): Kind[] => [
  ...new Set([spec.reconciles, ...(spec.owns ?? []), ...(spec.watches ?? []).map(({ kind }) => kind)]),
];
