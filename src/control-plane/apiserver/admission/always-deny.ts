/** Refuses every write, for tests of what happens then. Off unless asked for. */
import { defineAdmission, refused } from './define-admission.ts';

export const alwaysDeny = defineAdmission({
  name: 'AlwaysDeny',
  on: { resources: '*', verbs: ['create', 'update', 'delete', 'connect'] },
  validate(request) {
    throw refused(request, 'admission control is denying all modifications');
  },
});
