import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const urlOf = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);

/** Each is tried when no child gets any streams; one that is started with a file finds no room for that. */
const WITHOUT_FILES = `
  import { openSync } from 'node:fs';
  import { runWithPieces } from ${urlOf('./netfilter/input-in-pieces.ts')};
  import { runNft } from ${urlOf('./netfilter/nft.ts')};
  import { listFlows } from ${urlOf('./proxy/conntrack.ts')};
  import { runTool } from ${urlOf('./proxy/ipvs-tools.ts')};
  import { runIp } from ${urlOf('./routes/ip.ts')};
  const told = ({ code, message }) => process._rawDebug(code ?? message);
  try { for (;;) openSync('/dev/null'); } catch {}
  await runIp(['address']).catch(told);
  await runTool('ipvsadm', []).catch(told);
  await runWithPieces({ program: 'nft', args: [], pieces: ['add table ip x'], longestMs: 1_000 }).catch(told);
  await runNft(['add table ip x']).catch(told);
  await listFlows('ipv4').next().catch(told);
  await new Promise((resolve) => setTimeout(resolve, 50));
  process.exit();
`;

test('where too many files are open who runs a command says so, and the process goes on', {
  timeout: 120_000,
}, async () => {
  const argv = ['--nofile=100', process.execPath, '--import', 'tsx', '--input-type=module', '--eval', WITHOUT_FILES];
  const { stderr } = await promisify(execFile)('prlimit', argv);
  expect(stderr.trim().split('\n')).toEqual(Array(5).fill('EMFILE'));
});
