/** Property tests draw the same examples in every run, so that what CI found can be found again; FAST_CHECK_SEED=N draws others. */
import { configureGlobal } from 'fast-check';

configureGlobal({ seed: Number(process.env['FAST_CHECK_SEED'] ?? 1) });
