/** `kedge create token`: one that its holder is a ServiceAccount with. */
import { OUTPUT_FLAGS } from '../output/output-flags.ts';
import { structPrinter } from '../output/struct-order.ts';
import { pathOf } from '../served-resources.ts';
import { StatusError } from '#api/machinery/status.ts';
import type { Verb, VerbCall } from '../verb.ts';
import { VerbError } from '../verb-error.ts';
import { onlyName } from './created.ts';

const BOUND_KINDS = ['Node', 'Pod', 'Secret'];
const SECOND_MS = 1000;

export const createTokenVerb: Verb = {
  name: 'token',
  summary: 'ask for a token of a ServiceAccount',
  usage: 'SERVICE_ACCOUNT_NAME',
  flags: [
    ...OUTPUT_FLAGS,
    { name: 'audience', type: 'repeated', summary: 'who it is for; the API server unless told; may be repeated' },
    { name: 'duration', type: 'duration', default: '0s', summary: 'how long it is to be good; 0 as the server thinks' },
    {
      name: 'bound-object-kind',
      type: 'string',
      summary: `${BOUND_KINDS.join(', ')}: it ends with an object of this kind`,
    },
    { name: 'bound-object-name', type: 'string', summary: "that object's name" },
    { name: 'bound-object-uid', type: 'string', summary: "that object's UID; that of the one there is unless told" },
  ],
  async run(call) {
    const { flags, io, cluster } = call;
    const name = onlyName(call);
    refuseContradictions(call);
    const print = structPrinter(flags, io);
    const resource = (await cluster.resources()).named('serviceaccounts');
    const path = pathOf(resource, { namespace: cluster.namespace, name, subresource: 'token' });
    const answered = await cluster.request({ method: 'POST', path, object: requestOf(call) }).catch(whileCreating);
    const { status } = answered.object as { status?: { token?: string } };
    if (!status?.token) throw new VerbError('failed to create token: no token in server response');
    io.out(
      flags.string('output')
        ? print(asStruct(answered.object), 'created')
        : `${status.token}${io.printsToTerminal ? '\n' : ''}`,
    );
  },
};

/** What it is bound to kubectl's struct always tells. */
function asStruct(object: unknown): object {
  const { spec, ...rest } = object as { spec?: object };
  return { ...rest, spec: { boundObjectRef: null, ...spec } };
}

function whileCreating(error: unknown): never {
  throw error instanceof StatusError ? new VerbError(`failed to create token: ${error.message}`) : error;
}

function requestOf({ flags }: VerbCall): object {
  const [kind, milliseconds] = [flags.string('bound-object-kind'), flags.milliseconds('duration')];
  const [name, uid] = [flags.string('bound-object-name'), flags.string('bound-object-uid')];
  return {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    metadata: {},
    spec: {
      audiences: flags.list('audience'),
      ...(milliseconds > 0 && { expirationSeconds: milliseconds / SECOND_MS }),
      ...(kind && { boundObjectRef: { kind, apiVersion: 'v1', name, ...(uid && { uid }) } }),
    },
  };
}

function refuseContradictions({ flags }: VerbCall): void {
  const milliseconds = flags.milliseconds('duration');
  if (milliseconds < 0) throw new VerbError('--duration must be greater than or equal to 0');
  if (milliseconds % SECOND_MS !== 0) throw new VerbError('--duration cannot be expressed in units less than seconds');
  if (flags.list('audience').includes('')) throw new VerbError('--audience must not be an empty string');
  const kind = flags.string('bound-object-kind');
  if (kind && !BOUND_KINDS.includes(kind))
    throw new VerbError(`supported --bound-object-kind values are ${BOUND_KINDS.join(', ')}`);
  if (kind && !flags.string('bound-object-name'))
    throw new VerbError('--bound-object-name is required if --bound-object-kind is provided');
  for (const flag of ['bound-object-name', 'bound-object-uid'])
    if (!kind && flags.string(flag))
      throw new VerbError(`--${flag} can only be set if --bound-object-kind is provided`);
}
