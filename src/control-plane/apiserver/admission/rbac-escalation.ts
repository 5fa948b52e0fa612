/** Nobody hands out more than they have. Upstream checks this where roles are stored; here it is the last plugin. */

import { isEqual } from '#api/machinery/equal.ts';
import type { ClusterRole } from '#api/rbac/v1/cluster-role.ts';
import type { ClusterRoleBinding } from '#api/rbac/v1/cluster-role-binding.ts';
import type { Role } from '#api/rbac/v1/role.ts';
import type { RoleBinding } from '#api/rbac/v1/role-binding.ts';
import { bindingEscalation, type EscalationServices, roleEscalation } from '../authorization/escalation.ts';
import { type AdmissionPlugin, defineAdmission } from './define-admission.ts';

const GROUP = 'rbac.authorization.k8s.io';
type RbacObject = Role | ClusterRole | RoleBinding | ClusterRoleBinding;

export const rbacEscalation = (rbac: EscalationServices['rbac']): AdmissionPlugin =>
  defineAdmission<RbacObject>({
    name: 'RbacEscalation',
    on: {
      resources: ['roles', 'clusterroles', 'rolebindings', 'clusterrolebindings'].map((plural) => ({
        group: GROUP,
        plural,
      })),
      verbs: ['create', 'update'],
    },

    async validate({ object, old, user }, { authorizer }) {
      if (!object || (old && isEqual(powersOf(object), powersOf(old)))) return;
      const services = { rbac, authorizer };
      const error =
        'roleRef' in object
          ? await bindingEscalation(user, object, services)
          : await roleEscalation(user, object, services);
      if (error) throw error;
    },
  });

/** Without metadata: whoever only labels a role hands out nothing. */
const powersOf = ({ metadata: _metadata, ...rest }: RbacObject) => rest;
