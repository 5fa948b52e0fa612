/** What can go wrong with a store, by moment: opening it, writing to it, reaching it. */

/** Opening: the data directory is of another format, damaged, or somebody else's. The message says what to do next. */
export class DataDirectoryRefused extends Error {
  readonly code = 'DataDirectoryRefused';
}

/** Writing: a batch did not reach the disk. Nothing is accepted any more; the process has to start again from what is there. */
export class StorageFailed extends Error {
  readonly code = 'StorageFailed';
}

/** Reaching: no server answered. Whether a transaction that failed so took effect is not known. */
export class StorageUnreachable extends Error {
  readonly code = 'StorageUnreachable';
}

/** Reading: a value is there, and none of the keys that are known opens it. */
export class Unreadable extends Error {
  readonly code = 'Unreadable';
}

/** Using it after `close`. */
export class StorageClosed extends Error {
  readonly code = 'StorageClosed';
  constructor() {
    super('the store is closed');
  }
}
