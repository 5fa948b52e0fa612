/**
 * `kedge/testing` as it is built: one file that is run with its compiled code, so that the first cluster of a test process does
 * not wait for the compiler.
 */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runInThisContext } from 'node:vm';
import { loadCompiled } from '#cmd/compiled-program.ts';

type Program = typeof import('./kedge-testing.ts');

const FILE = join(dirname(fileURLToPath(import.meta.url)), 'testing.cjs');
/** Some test runners give each test file globals of its own: what it imports as a module is made of those, and this would not be. */
const isOfMainContext = runInThisContext('globalThis') === globalThis;

const program: Program = isOfMainContext ? loadCompiled<Program>(FILE).exports : await import('./kedge-testing.ts');

export const { startCluster, SCHEDULER, StatusError, Unreachable, kinds } = program;
