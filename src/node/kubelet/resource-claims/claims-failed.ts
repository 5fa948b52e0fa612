import { SyncFailed } from '../sync-failed.ts';

/** The claims of a pod cannot be made ready, or given back; the message is upstream's. Try again. */
export class ClaimsFailed extends SyncFailed {}
