/**
 * The calls of a process that signs tokens of ServiceAccounts, as a protobuf descriptor: in the code, so that a bundle
 * needs no file. Source: KEP-740; k8s.io/externaljwt, `apis/v1/api.proto`.
 */
import { type AnyDefinition, fromJSON, type MethodDefinition, type ServiceDefinition } from '@grpc/proto-loader';

export interface SignedParts {
  /** Both as they stand in the token. */
  header: string;
  signature: string;
}

export interface FetchedKeys {
  keys: { key_id: string; key: Buffer; exclude_from_oidc_discovery: boolean }[];
  data_timestamp: { seconds: number; nanos: number } | null;
  refresh_hint_seconds: number;
}

export interface SignerMetadata {
  max_token_expiration_seconds: number;
}

const field = (type: string, id: number, rule?: 'repeated') => ({ type, id, ...(rule && { rule }) });

const DESCRIPTOR = {
  options: { syntax: 'proto3' },
  nested: {
    v1: {
      nested: {
        SignJWTRequest: { fields: { claims: field('string', 1) } },
        SignJWTResponse: { fields: { header: field('string', 1), signature: field('string', 2) } },
        FetchKeysRequest: { fields: {} },
        Timestamp: { fields: { seconds: field('int64', 1), nanos: field('int32', 2) } },
        Key: {
          fields: {
            key_id: field('string', 1),
            key: field('bytes', 2),
            exclude_from_oidc_discovery: field('bool', 3),
          },
        },
        FetchKeysResponse: {
          fields: {
            keys: field('Key', 1, 'repeated'),
            data_timestamp: field('Timestamp', 2),
            refresh_hint_seconds: field('int64', 3),
          },
        },
        MetadataRequest: { fields: {} },
        MetadataResponse: { fields: { max_token_expiration_seconds: field('int64', 1) } },
        ExternalJWTSigner: {
          methods: {
            Sign: { requestType: 'SignJWTRequest', responseType: 'SignJWTResponse' },
            FetchKeys: { requestType: 'FetchKeysRequest', responseType: 'FetchKeysResponse' },
            Metadata: { requestType: 'MetadataRequest', responseType: 'MetadataResponse' },
          },
        },
      },
    },
  },
};

type Descriptor = Parameters<typeof fromJSON>[0];

/** Built when a signer is opened, not on import. */
export function outsideSignerMethods() {
  const options = { keepCase: true, longs: Number, enums: Number, defaults: true };
  const definition: Record<string, AnyDefinition> = fromJSON(DESCRIPTOR as unknown as Descriptor, options);
  const service = definition['v1.ExternalJWTSigner'] as ServiceDefinition;
  return {
    sign: service['Sign'] as MethodDefinition<{ claims: string }, SignedParts>,
    fetchKeys: service['FetchKeys'] as MethodDefinition<object, FetchedKeys>,
    metadata: service['Metadata'] as MethodDefinition<object, SignerMetadata>,
  };
}
