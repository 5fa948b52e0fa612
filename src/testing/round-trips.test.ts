/** JSON, YAML, protobuf and what is stored say the same, for every kind, with objects that the facts make. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { catalog } from '#api/catalog.ts';
import { facts } from '#api/generated/facts.ts';
import { parseJsonStrictly } from '#api/machinery/codec-json.ts';
import { decodeProtobuf, encodeProtobuf, type TypeMeta } from '#api/machinery/codec-protobuf.ts';
import { parseYaml } from '#api/machinery/codec-yaml.ts';
import type { TypeFacts } from '#api/machinery/facts.ts';
import type { JsonObject } from '#api/machinery/json-value.ts';
import { fieldsOfConfiguration } from '#api/machinery/managed-fields/applied-configuration.ts';
import { shapeOfKind } from '#api/machinery/managed-fields/field-shape.ts';
import { normalise } from '#api/machinery/normalise.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { formatYaml } from '#api/machinery/yaml-output.ts';
import { seededRandom } from '#base/random.ts';
import { decode, encode, splice, withRevision } from '#control-plane/apiserver/watch-cache/stored-object.ts';
import { generatedObject } from './generated-objects.ts';

const RUNS = 15;

/** What would be stored of it. */
function stored(type: NonNullable<ReturnType<typeof facts.typeOfKind>>, object: unknown): TypeMeta {
  const result = normalise(facts, type, object);
  if ('problem' in result) throw new Error(result.problem);
  expect(result.unknownFields).toEqual([]);
  return result.object as unknown as TypeMeta;
}

/** What an apply of it would find of another type than it should be. Generated lists may have an item twice. */
function misfits(type: TypeFacts, object: unknown): string[] {
  const applied = fieldsOfConfiguration(object as JsonObject, shapeOfKind(facts, type));
  return 'problems' in applied ? applied.problems.filter((one) => / expected |not declared/.test(one)) : [];
}

const kinds = catalog.flatMap(({ group, version, kind }) => {
  const type = facts.typeOfKind(group, version, kind);
  return type ? [{ apiVersion: group ? `${group}/${version}` : version, kind, type }] : [];
});

describe('a round trip', () => {
  test('is made by every kind that there is', () => expect(kinds).toHaveLength(catalog.length));

  test.each(kinds)('of $apiVersion $kind loses nothing', ({ type, ...typeMeta }) => {
    const check = (seed: number) => {
      const object = stored(type, generatedObject(facts, type, typeMeta, seededRandom(seed)));
      const json = parseJsonStrictly(JSON.stringify(object), { facts, type });
      expect('problem' in json ? json : stored(type, json.value)).toEqual(object);
      const yaml = parseYaml(formatYaml(object), { findDuplicates: true });
      expect('problem' in yaml ? yaml : stored(type, yaml.value)).toEqual(object);
      const kept = encode(object as unknown as KubeObject);
      const { metadata } = object as unknown as KubeObject;
      const sent = JSON.parse(Buffer.from(splice(kept, 7)).toString());
      expect(sent).toEqual({ ...object, metadata: { ...metadata, resourceVersion: '7' } });
      expect(withRevision(decode(kept), 7)).toEqual(sent);
      expect(misfits(type, object)).toEqual([]);
      const bytes = encodeProtobuf(facts, object);
      if (!bytes) throw new Error('it has no form in protobuf');
      const read = decodeProtobuf(facts, bytes);
      const back = stored(type, 'problem' in read ? read : read.object);
      expect(back).toMatchObject(object); // structs that are always on the wire come back with their zeros
      expect(encodeProtobuf(facts, back)).toEqual(bytes);
    };
    fc.assert(fc.property(fc.integer({ min: 0, max: 2 ** 31 }), check), { numRuns: RUNS });
  });
});
