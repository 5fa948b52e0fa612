/** Decisions are spoken of by number: each has one of its own, and its heading and its file say the same. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const FOLDER = 'docs/decisions';

test('every decision has a number of its own', () => {
  const files = readdirSync(FOLDER).sort();
  const numbers = files.map((file) => Number(file.slice(0, 4)));
  expect(numbers).toEqual(files.map((_, index) => index + 1));
  const headings = files.map((file) => readFileSync(`${FOLDER}/${file}`, 'utf8').split('. ', 1)[0]);
  expect(headings).toEqual(numbers.map((number) => `# ${number}`));
});
