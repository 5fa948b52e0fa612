/** Members of system:masters may do everything, whatever roles say: the way back into a cluster whose roles are broken. */
import { MASTERS_GROUP } from '../authentication/authenticator.ts';
import { type Authorizer, allow, noOpinion } from './authorizer.ts';

export const mastersAuthorizer: Authorizer = {
  authorize: ({ user }) => (user.groups.includes(MASTERS_GROUP) ? allow() : noOpinion()),
};
