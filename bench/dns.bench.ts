/** How many questions a node's DNS answers with one core, and how soon when it is half as busy. */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bench } from './bench.ts';
import { bundle, runBundled } from './bundled.ts';
import type { Row } from './row.ts';

const SERVER = 'dns-server';

export async function run(bench: Bench): Promise<Row[]> {
  const server = join(import.meta.dirname, '../.cache/bench', `${SERVER}-${process.pid}.mjs`);
  bench.atEnd(() => rm(server, { force: true }));
  await bundle(SERVER, server);
  return runBundled(bench, 'dns-process', [server]);
}
