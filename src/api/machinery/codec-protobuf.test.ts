import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { facts } from '#api/generated/facts.ts';
import { fromBase64, toBase64 } from './base64.ts';
import { decodeProtobuf, encodeProtobuf, encodeWatchFrame, type TypeMeta } from './codec-protobuf.ts';
import { normalise } from './normalise.ts';
import { WireWriter } from './protobuf-wire.ts';

/** Objects as client-go 0.36 marshals them, in both encodings. */
const recorded: { json: TypeMeta & Record<string, unknown>; protobuf: string }[] = JSON.parse(
  readFileSync(fileURLToPath(new URL('../../../test/wire/protobuf-objects.json', import.meta.url)), 'utf8'),
);

const typeOf = ({ apiVersion, kind }: TypeMeta) => {
  const [version = '', group = ''] = apiVersion.split('/').reverse();
  return facts.typeOfKind(group, version, kind)!;
};
const bytesOf = (base64: string): Uint8Array => fromBase64(base64) as Uint8Array;
const decoded = (bytes: Uint8Array): TypeMeta & Record<string, unknown> => {
  const result = decodeProtobuf(facts, bytes);
  if ('problem' in result) throw new Error(result.problem);
  return result.object as TypeMeta & Record<string, unknown>;
};
const normalised = (object: TypeMeta & Record<string, unknown>): unknown => {
  const result = normalise(facts, typeOf(object), object);
  return 'problem' in result ? result : result.object;
};
const envelope = (kind: string, raw: (writer: WireWriter) => void): Uint8Array => {
  const writer = new WireWriter();
  writer.raw(new Uint8Array([0x6b, 0x38, 0x73, 0]));
  writer.message(1, () => {
    writer.bytes(1, new TextEncoder().encode('v1'));
    writer.bytes(2, new TextEncoder().encode(kind));
  });
  writer.message(2, () => raw(writer));
  return writer.finish();
};

describe('objects that a Go client sent', () => {
  for (const { json, protobuf } of recorded) {
    test(`${json.kind} reads the same from protobuf as from JSON`, () => {
      expect(normalised(decoded(bytesOf(protobuf)))).toEqual(normalised(json));
    });

    test(`${json.kind} is written byte for byte as the client wrote it`, () => {
      expect(toBase64(encodeProtobuf(facts, normalised(json) as TypeMeta)!)).toBe(protobuf);
    });
  }
});

describe('bodies that are no protobuf', () => {
  const whole = bytesOf(recorded[0]!.protobuf);

  test('are refused with a reason', () => {
    expect(decodeProtobuf(facts, new Uint8Array())).toEqual({ problem: 'empty data' });
    expect(decodeProtobuf(facts, new TextEncoder().encode('{}'))).toEqual({
      problem: 'provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]',
    });
    expect(decodeProtobuf(facts, new Uint8Array([0x6b, 0x38, 0x73, 0]))).toEqual({ problem: 'empty body' });
  });

  test('a body cut anywhere is refused, unless the cut is before or behind the object itself', () => {
    for (let length = 1; length < whole.length; length++) {
      const result = decodeProtobuf(facts, whole.subarray(0, length));
      if (!('problem' in result)) expect([{ ...result.typeMeta }, decoded(whole)]).toContainEqual(result.object);
    }
  });

  test('random bytes never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        decodeProtobuf(facts, new Uint8Array([0x6b, 0x38, 0x73, 0, ...noise]));
        decodeProtobuf(
          facts,
          envelope('Pod', (writer) => writer.raw(noise)),
        );
      }),
    );
  });

  test('a field of the wrong wire type is named', () => {
    const bytes = envelope('Pod', (writer) => {
      writer.tag(1, 0);
      writer.varint(7);
    });
    expect(decodeProtobuf(facts, bytes)).toEqual({
      typeMeta: { apiVersion: 'v1', kind: 'Pod' },
      problem: 'proto: wrong wireType = 0 for field Metadata',
    });
  });

  test('a schema nested without end is refused', () => {
    const nest = (writer: WireWriter, left: number): void => {
      if (left > 0) writer.message(28, () => nest(writer, left - 1));
    };
    const writer = new WireWriter();
    nest(writer, 1000);
    const crd = envelopeOfCrd(writer.finish());
    expect(decodeProtobuf(facts, crd)).toMatchObject({ problem: 'exceeded max depth' });
  });

  test('an unknown kind is named', () => {
    expect(
      decodeProtobuf(
        facts,
        envelope('Nothing', () => undefined),
      ),
    ).toMatchObject({
      problem: 'no kind "Nothing" is registered for version "v1"',
    });
  });
});

function envelopeOfCrd(schema: Uint8Array): Uint8Array {
  const writer = new WireWriter();
  const text = new TextEncoder();
  writer.raw(new Uint8Array([0x6b, 0x38, 0x73, 0]));
  writer.message(1, () => {
    writer.bytes(1, text.encode('apiextensions.k8s.io/v1'));
    writer.bytes(2, text.encode('CustomResourceDefinition'));
  });
  // spec(2).versions(7).schema(4).openAPIV3Schema(1)
  writer.message(2, () =>
    writer.message(2, () => writer.message(7, () => writer.message(4, () => writer.bytes(1, schema)))),
  );
  return writer.finish();
}

test('a field that this version does not know is skipped', () => {
  const bytes = envelope('ConfigMap', (writer) => {
    writer.bytes(99, new Uint8Array([1, 2, 3]));
    writer.message(1, () => writer.bytes(1, new TextEncoder().encode('settings')));
  });
  expect(decoded(bytes)).toEqual({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings' } });
});

test('what the envelope leaves out comes from the request', () => {
  const writer = new WireWriter();
  writer.raw(new Uint8Array([0x6b, 0x38, 0x73, 0]));
  writer.bytes(2, new Uint8Array());
  expect(decodeProtobuf(facts, writer.finish(), { apiVersion: 'v1', kind: 'Pod' })).toEqual({
    typeMeta: { apiVersion: 'v1', kind: 'Pod' },
    object: { apiVersion: 'v1', kind: 'Pod' },
  });
});

test('integers keep their value and sign up to 2^53', () => {
  for (const revision of [0, 1, 127, 128, 2 ** 31, 2 ** 32, 2 ** 40 + 5, Number.MAX_SAFE_INTEGER, -1, -(2 ** 40)]) {
    const object = { apiVersion: 'apps/v1', kind: 'ControllerRevision', metadata: {}, revision };
    expect(decoded(encodeProtobuf(facts, object)!)['revision']).toBe(revision);
  }
});

test('a kind without a protobuf form is not encoded', () => {
  expect(encodeProtobuf(facts, { apiVersion: 'example.com/v1', kind: 'Thing' })).toBeUndefined();
  expect(encodeProtobuf(facts, { apiVersion: 'meta.k8s.io/v1', kind: 'Table' })).toBeUndefined();
});

test('documents of the oldest discovery, which tell no apiVersion, tell none in the envelope', () => {
  const versions = {
    kind: 'APIVersions',
    versions: ['v1'],
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress: '10.0.0.1:6443' }],
  };
  const bytes = encodeProtobuf(facts, versions)!;
  const start = 'k8s\0\n\x0f\n\0\x12\x0bAPIVersions';
  expect(Buffer.from(bytes.subarray(0, start.length)).toString('latin1')).toBe(start);
  const asked = { apiVersion: 'v1', kind: 'APIVersions' };
  expect(decodeProtobuf(facts, bytes, asked)).toEqual({ typeMeta: asked, object: { ...versions, apiVersion: 'v1' } });
});

test('a watch frame tells its length and holds the object in its own envelope', () => {
  const object = encodeProtobuf(facts, { apiVersion: 'v1', kind: 'Namespace' })!;
  const frame = encodeWatchFrame('ADDED', object);
  expect(new DataView(frame.buffer).getUint32(0)).toBe(frame.length - 4);
  expect([...frame.subarray(4, 11)]).toEqual([0x0a, 5, ...new TextEncoder().encode('ADDED')]);
  expect([...frame.subarray(-object.length)]).toEqual([...object]);
});
