/** Python's official client: typed calls, watches, exec over WebSocket, the dynamic client, manifests. Needs Python 3.10 or newer. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { startLiveCluster } from '../wire/live-cluster.ts';
import { startTalkingPod } from '../wire/talking-pod.ts';
import { folderOf, isAskedFor, MINUTES, outcomeOf, run } from './toolchain.ts';

const FOLDER = folderOf('python');

test.skipIf(!isAskedFor)('the Python client finds what it expects', { timeout: 10 * MINUTES }, async () => {
  const python = await environment();
  await using cluster = await startLiveCluster();
  for (const name of ['python', 'talk']) await cluster.kubectl(['create', 'namespace', name]);
  await cluster.kubectl(['wait', 'serviceaccount/default', '-n', 'talk', '--for=create', '--timeout=120s']);
  await using _pod = await startTalkingPod(cluster, 'talk');
  const env = { ...process.env, KUBECONFIG: cluster.kubeconfig, NAMESPACE: 'python', TALKER: 'talk' };
  const { isGood, text } = await outcomeOf(python, ['-m', 'unittest', '-v'], { cwd: FOLDER, env });
  expect(text).toMatch(/\nOK\n/);
  expect(isGood).toBe(true);
});

/** A virtual environment with what `requirements.txt` pins, kept for as long as that says the same. */
async function environment(): Promise<string> {
  const requirements = join(FOLDER, 'requirements.txt');
  const version = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
  const folder = fileURLToPath(new URL(`../../.cache/python-${version}`, import.meta.url));
  const python = join(folder, 'bin/python');
  if (existsSync(join(folder, 'ready'))) return python;
  await run('python3', ['-m', 'venv', '--clear', folder]);
  await run(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements]);
  await run('touch', [join(folder, 'ready')]);
  return python;
}
