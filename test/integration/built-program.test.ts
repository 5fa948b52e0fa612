import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { controlPlaneProgram } from '#cmd/engine-options.ts';
import { ensureBuilt, ROOT } from '../../tools/prerequisites.mjs';

const LOADER = pathToFileURL(join(ROOT, 'src/cmd/compiled-program.ts')).href;
const PROGRAM = join(ROOT, 'dist/control-plane.cjs');

test('the control plane as it is built and started takes the code that was compiled when it was built', () => {
  ensureBuilt();
  const script = `
    import { loadCompiled } from ${JSON.stringify(LOADER)};
    const { isFromCache, exports } = loadCompiled(${JSON.stringify(PROGRAM)});
    console.log(JSON.stringify({ isFromCache, starts: typeof exports.runControlPlane }));
    process.exit(0);`;
  const line = ['--import', 'tsx', '--input-type=module', '--eval', script];
  const [node = '', ...args] = controlPlaneProgram([process.execPath, ...line]);
  const { stdout, stderr } = spawnSync(node, args, { cwd: ROOT, encoding: 'utf8' });
  expect(JSON.parse(stdout || JSON.stringify({ stderr }))).toEqual({ isFromCache: true, starts: 'function' });
});
