import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { controlPlaneProgram, kubeletProgram } from '#cmd/engine-options.ts';
import * as testing from '#testing/kedge-testing.ts';
import { ensureBuilt, ROOT } from '../../tools/prerequisites.mjs';

const NAMES = Object.keys(testing).sort();
const TESTING = JSON.stringify(pathToFileURL(join(ROOT, 'dist/testing.mjs')).href);
const LOADER = pathToFileURL(join(ROOT, 'src/cmd/compiled-program.ts')).href;

test('the processes of a cluster and the test cluster, as they are built and started, take the code that the build has compiled', () => {
  ensureBuilt();
  const program = [process.execPath];
  expect(loaded('control-plane.cjs', controlPlaneProgram(program))).toContain('runControlPlane');
  expect(loaded('kubelet.cjs', kubeletProgram(program))).toEqual(['runKubelet']);
  expect(loaded('net.cjs', program)).toEqual(['runNet']);
  expect(loaded('supervisor.cjs', program)).toEqual(['runSupervisor']);
  expect(loaded('testing.cjs', program)).toEqual(NAMES);
});

test('the built kedge/testing exports what its source does', () => {
  ensureBuilt();
  expect(run([process.execPath], `say(await import(${TESTING}))`)).toEqual(NAMES);
});

test('a test runner that gives each file globals of its own gets modules, as it would have made them itself', () => {
  ensureBuilt();
  // What such runners do with a module that is not theirs (node:vm, SourceTextModule).
  const script = `
    import { readFileSync } from 'node:fs';
    import vm from 'node:vm';
    const url = ${TESTING};
    const context = vm.createContext({});
    const importFrom = (specifier) => import(specifier.startsWith('.') ? new URL(specifier, url) : specifier);
    const module = new vm.SourceTextModule(readFileSync(new URL(url), 'utf8'), {
      context,
      initializeImportMeta: (meta) => { meta.url = url; },
      importModuleDynamically: importFrom,
    });
    await module.link(async (specifier) => {
      const found = await importFrom(specifier);
      return new vm.SyntheticModule(Object.keys(found), function () {
        for (const [name, value] of Object.entries(found)) this.setExport(name, value);
      }, { context });
    });
    await module.evaluate();
    const { startCluster } = await import(url);
    if (module.namespace.startCluster === startCluster) throw new Error('it is of the main globals');
    say(module.namespace);`;
  expect(run([process.execPath, '--experimental-vm-modules', '--no-warnings'], script)).toEqual(NAMES);
});

function loaded(file: string, program: readonly string[]): unknown {
  const path = JSON.stringify(join(ROOT, 'dist', file));
  const script = `
    import { loadCompiled } from ${JSON.stringify(LOADER)};
    const { isFromCache, exports } = loadCompiled(${path});
    if (!isFromCache) throw new Error('compiled anew');
    say(exports);`;
  return run([...program, '--import', 'tsx'], script);
}

/** The names of what a script says. */
function run([node = '', ...line]: readonly string[], script: string): unknown {
  const say =
    '\nfunction say(exports) { process.stdout.write(JSON.stringify(Object.keys(exports).sort()), () => process.exit(0)); }';
  const given = [...line, '--input-type=module', '--eval', script + say];
  const { stdout, stderr } = spawnSync(node, given, { cwd: ROOT, encoding: 'utf8' });
  return JSON.parse(stdout || JSON.stringify({ stderr }));
}
