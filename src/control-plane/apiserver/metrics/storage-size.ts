/** What the database takes on disk: `apiserver_storage_size_bytes`. */
import { Gauge, type Registry } from 'prom-client';
import type { Storage } from '#control-plane/storage/storage.ts';

/** Asked when somebody asks; what does not answer has no series. */
export function registerStorageSize(registry: Registry, storage: Pick<Storage, 'sizeBytes'>): void {
  new Gauge({
    name: 'apiserver_storage_size_bytes',
    help: 'Size of the storage database file physically allocated in bytes.',
    labelNames: ['storage_cluster_id'],
    registers: [registry],
    async collect() {
      this.reset();
      const size = await storage.sizeBytes().catch(() => undefined); // /readyz tells of a store that does not answer
      if (size !== undefined) this.set({ storage_cluster_id: 'etcd-0' }, size);
    },
  });
}
