/** One kind, one file, one line in a list: a file that is missing from its list is never served, run or called. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT, sourceFiles } from './source-files.ts';

const LISTS = [
  { list: 'src/api/catalog.ts', folder: 'src/api/', defines: /^export const \w+ = define(?:Kind|Body)\b/m },
  {
    list: 'src/control-plane/controllers/index.ts',
    folder: 'src/control-plane/controllers/',
    defines: /^export const \w+ = defineController\(/m,
  },
  {
    list: 'src/control-plane/scheduler/profile.ts',
    folder: 'src/control-plane/scheduler/plugins/',
    defines: /= definePlugin/,
  },
  {
    list: 'src/control-plane/apiserver/admission/chain.ts',
    folder: 'src/control-plane/apiserver/admission/',
    defines: /= defineAdmission/,
  },
];

for (const { list, folder, defines } of LISTS) {
  test(`every file that defines one stands in ${list}`, () => {
    const text = readFileSync(join(ROOT, list), 'utf8');
    const defining = sourceFiles(folder.replace(/\/$/, '')).filter(
      (file) => !file.isTest && defines.test(file.text) && !/define-/.test(file.path),
    );
    const missing = defining.filter(
      ({ path }) =>
        !text.includes(
          path
            .split('/')
            .slice(-2)
            .join('/')
            .replace(/^(plugins|controllers|admission)\//, ''),
        ),
    );
    expect(defining.length).toBeGreaterThan(0);
    expect(missing.map(({ path }) => path)).toEqual([]);
  });
}
