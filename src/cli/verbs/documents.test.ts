import { expect, test } from 'vitest';
import { valuesIn } from './documents.ts';

/** All that can be read, and why no more can. */
function read(text: string): unknown[] {
  const values: unknown[] = [];
  try {
    for (const value of valuesIn(text)) values.push(value);
  } catch (error) {
    values.push((error as Error).message);
  }
  return values;
}

test.each([
  ['a: 1\n---\nb: 2\n', [{ a: 1 }, { b: 2 }]],
  ['# nothing\n--- # more\n\n', [null, null]],
  ['a: 1\r\n---\r\nb: 2', [{ a: 1 }, { b: 2 }]],
  ['{"a":1}\n{"b":2} ', [{ a: 1 }, { b: 2 }]],
  ['{"a":1}\n---\nb: 2\n---\nc: 3', [{ a: 1 }, { b: 2 }, { c: 3 }]],
  ['{a: b}\n---\n{c: d}', [{ a: 'b' }, { c: 'd' }]],
  ['{"a":1,}', [{ a: 1 }]],
  [' \n', [null]],
])('%j is read', (text, values) => expect(read(text)).toEqual(values));

/** As kubectl 1.36 tells them. */
test.each([
  [
    'a: 1\n---\nb: [\n---\nc: 3',
    [{ a: 1 }, 'error converting YAML to JSON: yaml: line 1: did not find expected node content'],
  ],
  ['a: b\n--- c: d\n', ['invalid Yaml document separator: c: d']],
  ['{"a": b: c}', ["json: offset 7: invalid character 'b' looking for beginning of value"]],
  ['{a: b', ["json: offset 2: invalid character 'a' looking for beginning of object key string"]],
  ['{{ .x }}', ["json: offset 2: invalid character '{' looking for beginning of object key string"]],
  ['{"a":1', ['unexpected EOF']],
  ['{"a":1}{"b"', [{ a: 1 }, 'unexpected EOF']],
  ['{"a":1} x', [{ a: 1 }, "json: offset 9: invalid character 'x' looking for beginning of value"]],
  ['{"a":1}}', [{ a: 1 }, "json: offset 8: invalid character '}' looking for beginning of value"]],
  ['{"a":1}\n---\n{"b"', [{ a: 1 }, "json: offset 10: invalid character '-' in numeric literal"]],
  ['{"a":"\\q"}', ["json: offset 8: invalid character 'q' in string escape code"]],
  ['{"ä" b}', ["json: offset 7: invalid character 'b' after object key"]],
])('%j is read as far as it can be', (text, values) => expect(read(text)).toEqual(values));
