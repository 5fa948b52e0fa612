/** A pair of key and certificate that is none is taken, and told of. */
import type { Secret } from '#api/core/v1/secret.ts';
import type { Behaviour } from './behaviour.ts';
import { problemOfKeyPair } from './key-pair.ts';

export const secretBehaviour: Behaviour<Secret> = {
  group: '',
  plural: 'secrets',
  warnings({ type, data = {} }) {
    if (type !== 'kubernetes.io/tls') return [];
    const problem = problemOfKeyPair(textOf(data['tls.crt']), textOf(data['tls.key']));
    return problem === undefined ? [] : [problem];
  },
};

const textOf = (encoded = ''): string => Buffer.from(encoded, 'base64').toString('latin1');
