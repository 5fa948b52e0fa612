/**
 * The calls of a key management plugin, and how an object sealed with its help is stored, as a protobuf descriptor: in the
 * code, so that a bundle needs no file. Source: KEP-3299; k8s.io/kms `v2/api.proto`, apiserver's `kmsv2/v2/api.proto`.
 */
import { type AnyDefinition, fromJSON, type MethodDefinition, type ServiceDefinition } from '@grpc/proto-loader';

export interface KmsStatus {
  version: string;
  healthz: string;
  key_id: string;
}

export interface Encrypted {
  ciphertext: Buffer;
  key_id: string;
  annotations: Record<string, Buffer>;
}

export type Annotated = Pick<Encrypted, 'key_id' | 'annotations'>;

/** From one 32-byte seed a key is derived for each value (1), or one key seals them all (0), as older servers did. */
export type DekSourceType = 0 | 1;

export interface EncryptedObject {
  encryptedData: Buffer;
  keyID: string;
  encryptedDEKSource: Buffer;
  annotations: Record<string, Buffer>;
  encryptedDEKSourceType: DekSourceType;
}

const field = (type: string, id: number) => ({ type, id });
const annotations = (id: number) => ({ keyType: 'string', type: 'bytes', id });

const DESCRIPTOR = {
  options: { syntax: 'proto3' },
  nested: {
    v2: {
      nested: {
        StatusRequest: { fields: {} },
        StatusResponse: {
          fields: { version: field('string', 1), healthz: field('string', 2), key_id: field('string', 3) },
        },
        DecryptRequest: {
          fields: {
            ciphertext: field('bytes', 1),
            uid: field('string', 2),
            key_id: field('string', 3),
            annotations: annotations(4),
          },
        },
        DecryptResponse: { fields: { plaintext: field('bytes', 1) } },
        EncryptRequest: { fields: { plaintext: field('bytes', 1), uid: field('string', 2) } },
        EncryptResponse: {
          fields: { ciphertext: field('bytes', 1), key_id: field('string', 2), annotations: annotations(3) },
        },
        EncryptedObject: {
          fields: {
            encryptedData: field('bytes', 1),
            keyID: field('string', 2),
            encryptedDEKSource: field('bytes', 3),
            annotations: annotations(4),
            encryptedDEKSourceType: field('int32', 5),
          },
        },
        KeyManagementService: {
          methods: {
            Status: { requestType: 'StatusRequest', responseType: 'StatusResponse' },
            Decrypt: { requestType: 'DecryptRequest', responseType: 'DecryptResponse' },
            Encrypt: { requestType: 'EncryptRequest', responseType: 'EncryptResponse' },
          },
        },
        // No call: only a way to the two directions of the message.
        Stored: { methods: { Object: { requestType: 'EncryptedObject', responseType: 'EncryptedObject' } } },
      },
    },
  },
};

type Descriptor = Parameters<typeof fromJSON>[0];

/** Built when a provider is opened, not on import. */
export function kmsMethods() {
  const options = { keepCase: true, longs: Number, enums: Number, defaults: true };
  const definition: Record<string, AnyDefinition> = fromJSON(DESCRIPTOR as unknown as Descriptor, options);
  const method = (service: string, name: string) => (definition[`v2.${service}`] as ServiceDefinition)[name];
  return {
    status: method('KeyManagementService', 'Status') as MethodDefinition<object, KmsStatus>,
    encrypt: method('KeyManagementService', 'Encrypt') as MethodDefinition<
      { plaintext: Uint8Array; uid: string },
      Encrypted
    >,
    decrypt: method('KeyManagementService', 'Decrypt') as MethodDefinition<
      Annotated & { ciphertext: Uint8Array; uid: string },
      { plaintext: Buffer }
    >,
    stored: method('Stored', 'Object') as MethodDefinition<EncryptedObject, EncryptedObject>,
  };
}

export type KmsMethods = ReturnType<typeof kmsMethods>;
