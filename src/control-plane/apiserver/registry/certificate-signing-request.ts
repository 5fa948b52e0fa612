/** Who asks for a certificate is who sends the request, whatever it says; and every decision has its time. */
import type { CertificateSigningRequest } from '#api/generated/schema.ts';
import { timestampOf } from '../verbs/object-identity.ts';
import type { Behaviour } from './behaviour.ts';

export const certificateSigningRequestBehaviour: Behaviour<CertificateSigningRequest> = {
  group: 'certificates.k8s.io',
  plural: 'certificatesigningrequests',

  async beforeCreate(request, { user }) {
    const { username: _name, uid: _uid, groups: _groups, extra: _extra, ...asked } = request.spec;
    const { name, uid, groups, extra } = user;
    const asker = {
      username: name,
      ...(uid && { uid }),
      ...(groups.length > 0 && { groups: [...groups] }),
      ...(extra && { extra: Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, [...values]])) }),
    };
    return { object: { ...request, spec: { ...asked, ...asker } } };
  },

  async beforeUpdate(next, current, { services }) {
    if (!next.status?.conditions?.length) return { object: next };
    const now = timestampOf(services.clock.now());
    const conditions = next.status.conditions.map((condition) => {
      const before = current.status?.conditions?.find(({ type }) => type === condition.type);
      const changed = before?.status === condition.status ? before.lastTransitionTime : undefined;
      return {
        ...condition,
        lastUpdateTime: condition.lastUpdateTime ?? now,
        lastTransitionTime: condition.lastTransitionTime ?? changed ?? now,
      };
    });
    return { object: { ...next, status: { ...next.status, conditions } } };
  },
};
