/** A step towards what a pod says could not be done; the event is written. Try again. */
export class SyncFailed extends Error {}
