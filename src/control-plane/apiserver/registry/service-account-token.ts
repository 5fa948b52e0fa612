/** POST serviceaccounts/NAME/token: a token for that account, signed here and stored nowhere. */
import { ServiceAccount } from '#api/core/v1/service-account.ts';
import { notFound } from '#api/machinery/status.ts';
import type { TokenIssuer } from '../authentication/token-issuer.ts';
import {
  defaultedTokenRequest,
  issueToken,
  prepareTokenRequest,
  shortened,
  type SubmittedTokenRequest,
} from '../authentication/token-request.ts';
import { decodeBody } from '../decode-object.ts';
import { admissionRequest, type Reply, type ResourceCall } from '../resource-call.ts';
import { writeOptionsOf } from '../verbs/write-options.ts';
import type { Behaviour, VerbServices } from './behaviour.ts';

const TOKEN_REQUEST = { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' };

export const serviceAccountBehaviour = (issuer: TokenIssuer): Behaviour<ServiceAccount> => ({
  group: '',
  plural: 'serviceaccounts',
  returnsDeleted: true,
  subresources: { token: { create: (call, services) => createToken(call, { services, issuer }) } },
});

async function createToken(
  call: ResourceCall,
  { services, issuer }: { services: VerbServices; issuer: TokenIssuer },
): Promise<Reply> {
  const { info } = call;
  const { dryRun, fieldValidation } = writeOptionsOf(info.query, 'CreateOptions');
  const body = decodeBody(TOKEN_REQUEST, call.body, { fieldValidation, warn: call.warn }) as SubmittedTokenRequest;
  const submitted = defaultedTokenRequest(body);
  const request = admissionRequest(call, { verb: 'create', object: submitted as unknown as ServiceAccount, dryRun });
  const mutated = ((await services.admission.mutate(request)) ?? submitted) as unknown as typeof submitted;
  const account = await services.stored.get(ServiceAccount, { namespace: info.namespace, name: info.name });
  if (!account) throw notFound(ServiceAccount, info.name);
  const signing = { issuer, clock: services.clock };
  const wanted = prepareTokenRequest(mutated, account, signing);
  await services.admission.validate({ ...request, object: wanted as unknown as ServiceAccount });
  const allowed = shortened(wanted, issuer, call.warn);
  const issued = await issueToken(allowed, account, { ...signing, live: services.stored.get.bind(services.stored) });
  return { code: 201, object: issued };
}
