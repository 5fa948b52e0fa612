/** What the word of a literal stands for. */
import { INT64_MAX, INT64_MIN, UINT64_MAX, wholeOf } from '../int64.ts';
import { Double, Uint, type Value } from '../value.ts';
import { unquoteBytes, unquoteString } from './unquote.ts';

export type LiteralValue = { value: Value; error?: undefined } | { value?: undefined; error: string };

export function literalOf(type: string, text: string): LiteralValue {
  switch (type) {
    case 'NUM_INT': {
      const value = bigintOf(text);
      return value > INT64_MAX || value < INT64_MIN ? { error: 'invalid int literal' } : { value: wholeOf(value) };
    }
    case 'NUM_UINT': {
      const value = bigintOf(text.slice(0, -1));
      return value > UINT64_MAX ? { error: 'invalid uint literal' } : { value: new Uint(wholeOf(value)) };
    }
    case 'NUM_FLOAT': {
      const value = Number(text);
      return Number.isFinite(value) ? { value: new Double(value) } : { error: 'invalid double literal' };
    }
    case 'STRING':
      return unquoteString(text);
    case 'BYTES':
      return unquoteBytes(text);
    default:
      return { value: type === 'null' ? null : type === 'true' };
  }
}

const bigintOf = (text: string): bigint => (text.startsWith('-') ? -BigInt(text.slice(1)) : BigInt(text));
