/** `kedge version`: of this program, and of the API server. */
import { formatYaml } from '#api/machinery/yaml-output.ts';
import { formatJson } from './output/json.ts';
import type { Verb } from './verb.ts';
import { VerbError } from './verb-error.ts';

interface ServerVersion {
  gitVersion: string;
}

/** The version of Kubernetes whose API this program speaks. */
const CLIENT = { major: '1', minor: '36', gitVersion: 'v1.36.0', platform: `${process.platform}/${process.arch}` };

export const versionVerb: Verb = {
  name: 'version',
  summary: 'print the versions of client and server',
  flags: [
    { name: 'client', type: 'bool', summary: 'ask no server' },
    { name: 'output', short: 'o', type: 'string', summary: 'json or yaml' },
  ],
  async run({ cluster, flags, io, args }) {
    if (args.length > 0) throw new VerbError(`extra arguments: [${args.join(' ')}]`);
    const output = flags.string('output');
    if (output !== '' && output !== 'json' && output !== 'yaml')
      throw new VerbError("--output must be 'yaml' or 'json'");
    const server = flags.bool('client') ? undefined : await cluster.get<ServerVersion>('/version');
    const both = { clientVersion: CLIENT, ...(server && { serverVersion: server }) };
    if (output === 'json') return io.out(formatJson(both));
    if (output === 'yaml') return io.out(formatYaml(both));
    io.out(`Client Version: ${CLIENT.gitVersion}\n${server ? `Server Version: ${server.gitVersion}\n` : ''}`);
  },
};
