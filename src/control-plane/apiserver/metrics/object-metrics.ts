/** How many objects of each kind there are, and what this build is: of `/metrics`, under upstream's names. */
import { Gauge, type Registry } from 'prom-client';
import type { Kind, KindRegistry } from '#api/machinery/kind.ts';
import { type Caches, hubOf } from '../registry/caches.ts';

/** Reckoned when they are asked for; of kinds that nobody has asked for yet nothing is told. */
export function registerObjectMetrics(
  registry: Registry,
  { kinds, caches }: { kinds: KindRegistry; caches: Pick<Caches, 'opened'> },
): void {
  const gauge = (name: string, help: string, { labelNames, set }: Collected) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset();
        for (const kind of kinds.all()) {
          const size = kind === hubOf(kind) ? caches.opened(kind)?.size : undefined;
          if (size) set(this, kind, size);
        }
      },
    });
  const byGroup = ({ group, plural }: Kind) => ({ group, resource: plural });
  gauge('apiserver_storage_objects', 'Objects that are stored, by resource.', {
    labelNames: ['resource'],
    set: (self, { group, plural }, { objects }) =>
      self.set({ resource: group ? `${plural}.${group}` : plural }, objects),
  });
  gauge('apiserver_resource_objects', 'Objects that are stored, by group and resource.', {
    labelNames: ['group', 'resource'],
    set: (self, kind, { objects }) => self.set(byGroup(kind), objects),
  });
  gauge('apiserver_resource_size_estimate_bytes', 'Bytes of the objects that are stored.', {
    labelNames: ['group', 'resource'],
    set: (self, kind, { bytes }) => self.set(byGroup(kind), bytes),
  });
}

interface Collected {
  labelNames: string[];
  set(self: Gauge, kind: Kind, size: { objects: number; bytes: number }): void;
}

export function registerBuildInfo(registry: Registry, version: Readonly<Record<string, string>>): void {
  const labels = Object.fromEntries(BUILD_LABELS.map(([label, field]) => [label, version[field] ?? '']));
  const labelNames = BUILD_LABELS.map(([label]) => label);
  new Gauge({ name: 'kubernetes_build_info', help: 'What this build is.', labelNames, registers: [registry] }).set(
    labels,
    1,
  );
}

const BUILD_LABELS = [
  ['major', 'major'],
  ['minor', 'minor'],
  ['git_version', 'gitVersion'],
  ['git_commit', 'gitCommit'],
  ['git_tree_state', 'gitTreeState'],
  ['build_date', 'buildDate'],
  ['go_version', 'goVersion'],
  ['compiler', 'compiler'],
  ['platform', 'platform'],
] as const;
