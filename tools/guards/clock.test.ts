/** Time only through the Clock and chance only through Random, outside the composition roots: else a race cannot be a test. */
import { expect, test } from 'vitest';
import { sourceFiles } from './source-files.ts';

const FORBIDDEN =
  /\b(Date\.now|performance\.now|setTimeout|setInterval|Math\.random|new Date\(\))\b|\bnew Date\(\)|process\.hrtime/;
/** The time limit of a socket's silence, set or (by a socket of our own) offered. */
const OF_A_SOCKET = /socket\.setTimeout|\.setTimeout\(|^\s*setTimeout = \(\): this =>/;
/** Composition roots make the real clock; the CLI is a process of its own that a person waits for. */
const EXEMPT = ['src/cmd/', 'src/cli/'];

test('no wall clock and no dice outside the composition roots', () => {
  const wrong = sourceFiles()
    .filter(({ path, isTest }) => !isTest && !EXEMPT.some((folder) => path.startsWith(folder)))
    .flatMap(({ path, text }) =>
      text.split('\n').flatMap((line, i) => {
        const code = line.replace(/\/\/.*$|^\s*\*.*$|^\s*\/\*.*$/, '');
        return FORBIDDEN.test(code) && !OF_A_SOCKET.test(code) ? [`${path}:${i + 1} ${line.trim()}`] : [];
      }),
    );
  expect(wrong).toEqual([]);
});
