/** `kedge create secret`: `generic`, `tls` and `docker-registry`. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Verb } from '../verb.ts';
import { VerbError, whyNotRead } from '../verb-error.ts';
import { createObject, OBJECT_FLAGS, onlyName } from './created.ts';
import { createDockerRegistryVerb } from './docker-registry.ts';
import { KEY_VALUE_FLAGS, keyValuesOf } from './key-values.ts';
import { APPEND_HASH_FLAG, namedByContent } from './name-hash.ts';

const encoded = (values: Iterable<[string, Buffer]>): Record<string, string> =>
  Object.fromEntries([...values].map(([key, value]) => [key, value.toString('base64')]));

const generic: Verb = {
  name: 'generic',
  summary: 'create a Secret from literals, files or folders',
  usage: 'NAME [--type=string] [--from-file=[key=]source] [--from-literal=key1=value1]',
  flags: [
    ...OBJECT_FLAGS,
    ...KEY_VALUE_FLAGS,
    APPEND_HASH_FLAG,
    { name: 'type', type: 'string', summary: 'the type of the Secret' },
  ],
  run(call) {
    const type = call.flags.string('type');
    const values = keyValuesOf(call, 'Secret');
    const secret = {
      apiVersion: 'v1',
      kind: 'Secret',
      ...(values.size > 0 && { data: encoded(values) }),
      metadata: { name: onlyName(call) },
      ...(type && { type }),
    };
    return createObject(call, namedByContent(call.flags, secret));
  },
};

const tls: Verb = {
  name: 'tls',
  summary: 'create a Secret with a certificate and its key',
  usage: 'NAME --cert=path/to/cert/file --key=path/to/key/file',
  flags: [
    ...OBJECT_FLAGS,
    APPEND_HASH_FLAG,
    { name: 'cert', type: 'string', summary: 'file with the certificate, in PEM' },
    { name: 'key', type: 'string', summary: 'file with its key, in PEM' },
  ],
  run(call) {
    const { flags, io } = call;
    if (!flags.string('key') || !flags.string('cert')) throw new VerbError('key and cert must be specified');
    const fileOf = (flag: string) => {
      const path = flags.string(flag);
      try {
        return readFileSync(resolve(io.folder, path));
      } catch (error) {
        throw new VerbError(`Cannot read file ${path}, ${whyNotRead(path, error)}`);
      }
    };
    const data = encoded([
      ['tls.crt', fileOf('cert')],
      ['tls.key', fileOf('key')],
    ]);
    const metadata = { name: onlyName(call) };
    const secret = { apiVersion: 'v1', kind: 'Secret', type: 'kubernetes.io/tls', data, metadata };
    return createObject(call, namedByContent(flags, secret));
  },
};

export const createSecretVerb: Verb = {
  name: 'secret',
  summary: 'create a Secret',
  verbs: [createDockerRegistryVerb, generic, tls],
};
