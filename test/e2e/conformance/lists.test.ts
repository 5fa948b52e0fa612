/** Lists in chunks. */
import { describe, expect, test } from 'vitest';
import type { KubeObject } from '#api/machinery/object.ts';
import { object, playground } from './playground.ts';

const COUNT = 400;

interface Chunk {
  metadata: { resourceVersion: string; continue?: string; remainingItemCount?: number };
  items: KubeObject[];
}

describe('lists in chunks', () => {
  const ground = playground('lists', async (it) => {
    const names = Array.from({ length: COUNT }, (_, index) => `template-${String(index).padStart(4, '0')}`);
    const template = { template: { metadata: {}, spec: { containers: [{ name: 'test', image: 'none' }] } } };
    while (names.length > 0) {
      await it.create(...names.splice(0, 50).map((name) => object('PodTemplate', name, template)));
    }
    return undefined;
  });
  const chunk = (query: string) => ground().api.get<Chunk>(`${ground().path('PodTemplate')}?${query}`);
  const names = ({ items }: Chunk) => items.map(({ metadata }) => metadata.name);

  test('Servers with support for API chunking should return chunks of results for list calls', async () => {
    const whole = await chunk('');
    expect(whole.items).toHaveLength(COUNT);
    for (const limit of [17, 100, 399]) {
      let part = await chunk(`limit=${limit}`);
      const { resourceVersion } = part.metadata;
      const found = names(part);
      while (part.metadata.continue) {
        expect(part.items).toHaveLength(limit);
        expect(part.metadata.remainingItemCount).toBe(COUNT - found.length);
        part = await chunk(`limit=${limit}&continue=${encodeURIComponent(part.metadata.continue)}`);
        expect(part.metadata.resourceVersion).toBe(resourceVersion);
        found.push(...names(part));
      }
      expect(found).toEqual(names(whole));
    }
    expect((await chunk(`limit=${COUNT}`)).metadata.continue ?? '').toBe('');
  });
});
