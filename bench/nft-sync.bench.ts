/** A full sync of the proxy's rules: from objects that are known to rules in force. */
import type { Bench } from './bench.ts';
import { runBundled } from './bundled.ts';
import { makeNetworkNamespace } from './network-namespace.ts';
import type { Row } from './row.ts';

export const run = (bench: Bench): Promise<Row[]> =>
  runBundled(bench, 'nft-sync-process', [], makeNetworkNamespace(bench));
