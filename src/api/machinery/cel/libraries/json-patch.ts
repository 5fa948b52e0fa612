/** `jsonpatch.escapeKey(x)`: only where patches are written. Source: RFC 6901, section 3. */
import * as cel from '../cel-type.ts';
import { type Library, overload } from '../library.ts';
import { textOfText } from './costs.ts';

const escapeKey = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1');

/** For `environment({ libraries: [...kubernetesLibraries, jsonPatch] })`, together with `patchTypes`. */
export const jsonPatch: Library = {
  name: 'kubernetes.jsonpatch',
  functions: [
    {
      name: 'jsonpatch.escapeKey',
      overloads: [overload('string_jsonpatch_escapeKey_string', [cel.STRING], cel.STRING, escapeKey)],
      ...textOfText,
    },
  ],
};
