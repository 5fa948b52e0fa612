/** `kedge create configmap`. */
import { isUtf8 } from 'node:buffer';
import type { Verb } from '../verb.ts';
import { createObject, OBJECT_FLAGS, onlyName } from './created.ts';
import { KEY_VALUE_FLAGS, keyValuesOf } from './key-values.ts';
import { APPEND_HASH_FLAG, namedByContent } from './name-hash.ts';

export const createConfigMapVerb: Verb = {
  name: 'configmap',
  aliases: ['cm'],
  summary: 'create a ConfigMap from literals, files or folders',
  usage: 'NAME [--from-file=[key=]source] [--from-literal=key1=value1]',
  flags: [...OBJECT_FLAGS, ...KEY_VALUE_FLAGS, APPEND_HASH_FLAG],
  run(call) {
    const values = [...keyValuesOf(call, 'ConfigMap')];
    const texts = values.filter(([, value]) => isUtf8(value)).map(([key, value]) => [key, value.toString('utf8')]);
    const binaries = values
      .filter(([, value]) => !isUtf8(value))
      .map(([key, value]) => [key, value.toString('base64')]);
    const configMap = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      ...(texts.length > 0 && { data: Object.fromEntries(texts) }),
      ...(binaries.length > 0 && { binaryData: Object.fromEntries(binaries) }),
      metadata: { name: onlyName(call) },
    };
    return createObject(call, namedByContent(call.flags, configMap));
  },
};
