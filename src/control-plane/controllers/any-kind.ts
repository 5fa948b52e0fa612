/**
 * Runs controllers of all kinds: every served kind that they follow has an informer, also kinds that come while running.
 * A key names the kind as well.
 */
import type { Kind } from '#api/machinery/kind.ts';
import { apiVersionOf } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { keyOf } from '#api/machinery/object.ts';
import { RecentSet } from '#base/recent-set.ts';
import type { IndexedInformer, Informer } from '#client/informer.ts';
import type { AnyKindApi, AnyKindContext, AnyKindController, AnyObjectRef } from './define-controller.ts';
import { settled } from './define-controller.ts';
import type { RunEnvironment } from './key-runner.ts';
import { KeyRunner } from './key-runner.ts';
import { WriteBarrier } from './write-barrier.ts';

/** Source: garbage collector, absentOwnerCache. */
const MOST_NOTES = 500;

/** Asked of each change of any kind: put together once. */
const ids = new WeakMap<Kind, string>();

function idOf(kind: Kind): string {
  let id = ids.get(kind);
  if (id === undefined) {
    id = `${apiVersionOf(kind)}/${kind.plural}`;
    ids.set(kind, id);
  }
  return id;
}

const keyFor = ({ kind, key }: AnyObjectRef): string => `${idOf(kind)}|${key}`;

interface Followed {
  kind: Kind;
  informer: Informer<KubeObject>;
  indexes: Map<string, IndexedInformer<KubeObject>>;
  stop(): void;
}

export function runAnyKindController({ name, spec }: AnyKindController, env: RunEnvironment): KeyRunner {
  const { kinds, clock } = env;
  const followed = new Map<string, Followed>();
  const informerOf = (kind: Kind) => followed.get(idOf(kind))?.informer;
  const barrier = new WriteBarrier({ clock, informerOf, endsLongWaits: true });
  const reading = readingOf(followed, env);

  const runner: KeyRunner = new KeyRunner(name, env, {
    workers: spec.workers ?? 20,
    barrier,
    step(key) {
      const [id = '', objectKey = ''] = key.split('|');
      const at = followed.get(id);
      if (!at) return Promise.resolve(settled);
      const ref = { kind: at.kind, key: objectKey };
      const enqueue = (other: AnyObjectRef) => runner.add(keyFor(other));
      const weighs = (objects: number) => runner.weigh(key, objects);
      const context: AnyKindContext = { enqueue, weighs, api: apiFor(key, env, barrier), ...env, ...reading };
      if (!at.informer.get(objectKey)) runner.weigh(key, 0);
      return spec.reconcile(ref, at.informer.get(objectKey), context);
    },
  });

  const follow = (kind: Kind) => {
    const identities = spec.wholes?.(kind) === false;
    const informer = identities ? env.informers.identities(kind) : env.informers.whileServed(kind);
    const indexes = new Map(
      Object.entries(spec.indexes ?? {}).map(([index, keysOf]) => [
        index,
        env.informers.indexed(kind, keysOf, { identities, whileServed: true }),
      ]),
    );
    const stop = informer.onChange(({ key, now, before }) => {
      for (const ref of spec.affects({ kind, key, now, before }, reading)) {
        if (ref.key === key && ref.kind === kind) runner.add(keyFor(ref));
        else runner.addForOthers(keyFor(ref));
      }
    });
    followed.set(idOf(kind), { kind, informer, indexes, stop });
    for (const now of informer.list()) {
      const change = { kind, key: keyOf(now), now, before: undefined };
      for (const ref of spec.affects(change, reading)) runner.add(keyFor(ref));
    }
  };

  const followServed = () => {
    const wanted = kinds.all().filter((kind) => spec.follows(kind));
    const ids = new Set(wanted.map(idOf));
    for (const kind of wanted) if (!followed.has(idOf(kind))) follow(kind);
    for (const [id, gone] of followed) {
      if (ids.has(id)) continue;
      gone.stop();
      followed.delete(id);
      env.informers.forget(gone.kind);
    }
  };
  followServed();
  runner.onStop(kinds.onChange(followServed));
  runner.onStop(() => {
    for (const { stop } of followed.values()) stop();
  });
  const own = [...followed.values()].filter(({ kind }) => !kind.servedElsewhere);
  runner.startAfter(own.map(({ informer }) => informer));
  return runner;
}

const readingOf = (followed: Map<string, Followed>, { kinds }: RunEnvironment) => ({
  kinds,
  notes: new RecentSet<string>(MOST_NOTES),
  cached: (kind: Kind) => followed.get(idOf(kind))?.informer,
  under: (index: string, indexKey: string) =>
    [...followed.values()].flatMap(({ kind, indexes }) =>
      (indexes.get(index)?.under(indexKey) ?? []).map((object) => ({ kind, object })),
    ),
});

function apiFor(key: string, { client }: RunEnvironment, barrier: WriteBarrier): AnyKindApi {
  return {
    get: (kind, at) => client.get(kind, at),
    list: async (kind, options) => (await client.list(kind, options)).items,
    async update(kind, object, subresource) {
      const updated = await client.update(kind, object, subresource);
      barrier.wrote(key, kind, updated.metadata.resourceVersion, object.metadata.resourceVersion);
      return updated;
    },
    async patch(kind, at, patch) {
      const patched = await client.patch(kind, at, patch);
      barrier.wrote(key, kind, patched.metadata.resourceVersion);
      return patched;
    },
    delete: (kind, at, options) => client.delete(kind, at, options),
    deleteCollection: (kind, options) => client.deleteCollection(kind, options),
  };
}
