/** The drawing of the controllers is of today. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { controllersPage, PAGE } from '../graph/page.ts';
import { ROOT } from './source-files.ts';

test('docs/controllers.md shows the controllers as they are declared; `npm run graph` draws it anew', () => {
  expect(readFileSync(join(ROOT, PAGE), 'utf8')).toBe(controllersPage());
});
