/** `kedge create secret docker-registry`: who one is for a registry of images. */
import type { Flags } from '../flags.ts';
import { escapeHtml } from '../output/json.ts';
import type { Verb, VerbCall } from '../verb.ts';
import { VerbError } from '../verb-error.ts';
import { createObject, OBJECT_FLAGS, onlyName } from './created.ts';
import { filesIn } from './key-values.ts';
import { APPEND_HASH_FLAG, namedByContent } from './name-hash.ts';

const KEY = '.dockerconfigjson';

export const createDockerRegistryVerb: Verb = {
  name: 'docker-registry',
  summary: 'create a Secret for a registry of images',
  usage: 'NAME --docker-username=user --docker-password=password --docker-email=email [--docker-server=string]',
  flags: [
    ...OBJECT_FLAGS,
    APPEND_HASH_FLAG,
    { name: 'docker-username', type: 'string', summary: 'name of the user' },
    { name: 'docker-password', type: 'string', summary: 'password of the user' },
    { name: 'docker-email', type: 'string', summary: 'address of the user' },
    { name: 'docker-server', type: 'string', default: 'https://index.docker.io/v1/', summary: 'the registry' },
    { name: 'from-file', type: 'list', summary: `a file in place of all that, as ${KEY}` },
  ],
  run(call) {
    const { flags } = call;
    const name = onlyName(call);
    const isTold = ['docker-username', 'docker-password', 'docker-server'].every((flag) => flags.string(flag));
    if (!flags.has('from-file') && !isTold)
      throw new VerbError(
        'either --from-file or the combination of --docker-username, --docker-password and --docker-server is required',
      );
    const values = flags.has('from-file') ? valuesInFiles(call) : ([[KEY, dockerConfigOf(flags)]] as const);
    const data = Object.fromEntries(values.map(([key, value]) => [key, value.toString('base64')]));
    const type = 'kubernetes.io/dockerconfigjson';
    return createObject(
      call,
      namedByContent(flags, { apiVersion: 'v1', kind: 'Secret', metadata: { name }, type, data }),
    );
  },
};

const valuesInFiles = (call: VerbCall): [string, Buffer][] => {
  const sources = call.flags.list('from-file').map((source) => (source.includes('=') ? source : `${KEY}=${source}`));
  return [...filesIn(sources, call, 'Secret')];
};

/** As it stands in `~/.docker/config.json`. */
function dockerConfigOf(flags: Flags): Buffer {
  const [username, password] = [flags.string('docker-username'), flags.string('docker-password')];
  const email = flags.string('docker-email');
  const auth = Buffer.from(`${username}:${password}`).toString('base64');
  // In the order in which kubectl writes it: what differs is another Secret.
  const entry = { username, password, ...(email && { email }), auth };
  return Buffer.from(escapeHtml(JSON.stringify({ auths: { [flags.string('docker-server')]: entry } })));
}
