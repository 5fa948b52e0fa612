/** Kubelets renew their certificates by themselves: who may ask, and who may say yes. */
import type { Subject } from '#api/generated/schema.ts';
import { hasReason } from '#api/machinery/status.ts';
import { ClusterRoleBinding } from '#api/rbac/v1/cluster-role-binding.ts';
import type { Client } from '#client/client.ts';

const GROUP = 'rbac.authorization.k8s.io';

interface Binding {
  name: string;
  role: string;
  subject: Subject;
}
const BINDINGS: readonly Binding[] = [
  {
    name: 'kubeadm:node-autoapprove-certificate-rotation', // as kubeadm makes it
    role: 'system:certificates.k8s.io:certificatesigningrequests:selfnodeclient',
    subject: { apiGroup: GROUP, kind: 'Group', name: 'system:nodes' },
  },
  {
    name: 'kedge:kubelet-serving-approver',
    role: 'system:certificates.k8s.io:kubelet-serving-approver',
    subject: { kind: 'ServiceAccount', namespace: 'kube-system', name: 'certificate-controller' },
  },
];

export async function ensureCertificateRotation(client: Client): Promise<void> {
  for (const { name, role, subject } of BINDINGS)
    try {
      await client.create(ClusterRoleBinding, {
        metadata: { name },
        roleRef: { apiGroup: GROUP, kind: 'ClusterRole', name: role },
        subjects: [subject],
      });
    } catch (error) {
      if (!hasReason(error, 'AlreadyExists')) throw error;
    }
}
