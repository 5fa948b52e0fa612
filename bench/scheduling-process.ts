/** One measure of the scheduler, in a process of its own: `scheduling-process NAME [NODES INITIAL PODS]`. */
import { Bench } from './bench.ts';
import { measureWorkload } from './scheduling-rows.ts';
import { WORKLOADS } from './scheduling-workloads.ts';

const [name = '', ...size] = process.argv.slice(2);
const workload = WORKLOADS[name];
if (!workload) throw new Error(`there is no workload ${name}`);
const [nodes, initial, pods] = size.map(Number);
const sizes = nodes && pods ? [{ nodes, initial: initial ?? 0, pods }] : workload.sizes;
const bench = new Bench(name);
const rows = await measureWorkload(bench, name, { ...workload, sizes });
await bench.end();
process.stdout.write(JSON.stringify(rows), () => process.exit(0));
