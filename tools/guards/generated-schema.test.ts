import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { fromRoot, generatedFiles } from '../generate/generated-files.ts';

test('the generated types and facts are those of the installed packages', () => {
  for (const [path, source] of generatedFiles()) {
    const isClean = readFileSync(fromRoot(path), 'utf8') === source;
    expect(isClean, `${path} is out of date, or was edited: run \`npm run update:schema\` and read the diff`).toBe(
      true,
    );
  }
});
