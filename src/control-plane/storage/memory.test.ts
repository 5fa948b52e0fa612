import { storageConformance } from './conformance.ts';
import { openMemoryStorage } from './memory.ts';

storageConformance('memory', async () => ({ storage: openMemoryStorage() }), { durable: false });
