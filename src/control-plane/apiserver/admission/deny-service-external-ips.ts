/** Nobody may take traffic for addresses that are not theirs: external IPs of Services (CVE-2020-8554). Off unless asked for. */
import type { Service } from '#api/core/v1/service.ts';
import { defineAdmission, refused } from './define-admission.ts';

export const denyServiceExternalIps = defineAdmission<Service>({
  name: 'DenyServiceExternalIPs',
  on: { resources: [{ group: '', plural: 'services' }], verbs: ['create', 'update'] },
  validate(request) {
    const known = request.old?.spec.externalIPs ?? [];
    if ((request.object?.spec.externalIPs ?? []).some((ip) => !known.includes(ip)))
      throw refused(request, 'Use of external IPs is denied by admission control');
  },
});
