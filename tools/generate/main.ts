/**
 * `npm run update:schema`: writes `src/api/generated` from what published packages say of Kubernetes' API. Run it after a
 * new version of one of them is installed, and read the diff.
 */
import { writeFileSync } from 'node:fs';
import { fromRoot, generatedFiles } from './generated-files.ts';

for (const [path, source] of generatedFiles()) {
  writeFileSync(fromRoot(path), source);
  process.stdout.write(`${path}: ${source.length} characters\n`);
}
