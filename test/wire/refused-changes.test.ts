/**
 * One field of a good object set to something else, for every kind: what kube-apiserver v1.36 says of it, in a create, in an
 * update, in an update of the status, and of what an older server let in and an update leaves as it is. The answers in
 * `refused-changes/` are upstream's. A row of `bases` is a good object: apiVersion, kind, the rest as JSON. A row of the others is
 * one change of it: the base by its row, counted from 0; the path of the field; its value, none where it is left out; what is refused.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { catalog } from '#api/catalog.ts';
import { facts } from '#api/generated/facts.ts';
import { apiVersionOf, type Kind } from '#api/machinery/kind.ts';
import { normalise } from '#api/machinery/normalise.ts';
import type { KubeObject } from '#api/machinery/object.ts';

type Part = string | number;
type Content = Record<string, unknown>;

interface Base {
  kind: Kind;
  object: Content;
}

const linesOf = (name: string): string[][] =>
  readFileSync(new URL(`refused-changes/${name}.tsv`, import.meta.url), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'));

const bases: Base[] = linesOf('bases').map(([apiVersion, name, content = '{}']) => {
  const kind = catalog.find((one) => apiVersionOf(one) === apiVersion && one.kind === name)!;
  const { metadata, ...rest } = JSON.parse(content) as Content;
  const given = {
    name: 'a',
    ...(kind.scope === 'Namespaced' && { namespace: 'default' }),
    uid: '00000000-0000-0000-0000-000000000001',
    ...(metadata as object | undefined),
  };
  return { kind, object: { apiVersion, kind: name, metadata: given, ...rest } };
});

/** As it is stored: with what the server gives. */
const stored = (object: Content, labels?: object): Content => ({
  ...object,
  metadata: {
    ...(object['metadata'] as object),
    resourceVersion: '5',
    creationTimestamp: '2026-01-01T00:00:00Z',
    ...(labels && { labels }),
  },
});

/** `value` undefined: the field is left out. */
function changed(object: Content, path: readonly Part[], value: unknown): Content {
  const copy = structuredClone(object);
  let at = copy as Record<Part, unknown>;
  for (const part of path.slice(0, -1)) at = at[part] as Record<Part, unknown>;
  if (value === undefined) delete at[path.at(-1)!];
  else at[path.at(-1)!] = value;
  return copy;
}

function shaped(kind: Kind, object: Content): KubeObject {
  const read = normalise(facts, kind.facts!, object);
  if ('problem' in read) throw new Error(read.problem);
  return kind.defaults(read.object as unknown as KubeObject);
}

function refusalsOfUpdate(kind: Kind, { from, to, subresource }: { from: Content; to: Content; subresource: string }) {
  const current = shaped(kind, from);
  return kind.validateUpdate(kind.prepareForUpdate(shaped(kind, to), current, subresource), current, subresource);
}

const WAYS: Record<
  string,
  (base: Base, path: readonly Part[], value: unknown) => { field: string; message: string }[]
> = {
  create: ({ kind, object }, path, value) =>
    kind.validate(kind.prepareForCreate(shaped(kind, changed(object, path, value)))),
  update({ kind, object }, path, value) {
    const from = stored(object);
    return refusalsOfUpdate(kind, { from, to: changed(from, path, value), subresource: '' });
  },
  status({ kind, object }, path, value) {
    const from = stored(object);
    return refusalsOfUpdate(kind, { from, to: changed(from, path, value), subresource: 'status' });
  },
  kept({ kind, object }, path, value) {
    const from = changed(stored(object), path, value);
    return refusalsOfUpdate(kind, { from, to: stored(from, { new: 'label' }), subresource: '' });
  },
};

describe.each(Object.keys(WAYS))('%s', (way) => {
  const byKind = new Map<string, string[][]>();
  for (const row of linesOf(way)) {
    const { kind } = bases[Number(row[0])]!.kind;
    byKind.set(kind, [...(byKind.get(kind) ?? []), row]);
  }

  test.each([...byKind])('%s', (_, rows) => {
    const told = rows.map(([base, path = '[]', value]) => {
      const errors = WAYS[way]!(
        bases[Number(base)]!,
        JSON.parse(path) as Part[],
        value ? JSON.parse(value) : undefined,
      );
      return [path, value, errors.map(({ field, message }) => `${field}: ${message}`)];
    });
    expect(told).toEqual(rows.map(([, path, value, texts = '[]']) => [path, value, JSON.parse(texts)]));
  });
});
