import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openMemoryStorage } from './memory.ts';
import { storageConformance } from './storage-conformance.ts';

storageConformance({
  name: 'memory',
  makeStorage: async () => ({ storage: openMemoryStorage() }),
  durable: false,
  framework: { describe, test, beforeEach, afterEach, expect },
});
