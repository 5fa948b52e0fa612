/**
 * The calls of etcd's v3 API that this store makes, as a protobuf descriptor: in the code, so that a bundle needs no file.
 * Field numbers: etcd v3.4, `rpc.proto` and `kv.proto`; unchanged in later versions.
 */
import type { AnyDefinition, MethodDefinition } from '@grpc/proto-loader';
import { fromJSON, type ServiceDefinition } from '@grpc/proto-loader';

export interface KeyValue {
  key: Buffer;
  value: Buffer;
  create_revision: number;
  mod_revision: number;
}
export interface Header {
  revision: number;
}
export interface RangeRequest {
  key: Buffer;
  range_end?: Buffer;
  limit?: number;
  revision?: number;
}
export interface RangeResponse {
  header: Header;
  kvs: KeyValue[];
  more: boolean;
  count: number;
}
export type Compare =
  | { key: Buffer; target: 'MOD'; mod_revision: number }
  | { key: Buffer; target: 'VALUE'; value: Buffer };
export type RequestOp =
  | { request_range: RangeRequest }
  | { request_put: { key: Buffer; value: Buffer } }
  | { request_delete_range: { key: Buffer } }
  | { request_txn: TxnRequest };
export interface TxnRequest {
  compare: Compare[];
  success: RequestOp[];
  failure: RequestOp[];
}
export interface TxnResponse {
  header: Header;
  succeeded: boolean;
  responses: { response_range?: RangeResponse }[];
}
export interface WatchRequest {
  create_request: { key: Buffer; range_end: Buffer; start_revision: number; prev_kv: boolean };
}
export interface WatchResponse {
  header: Header;
  created: boolean;
  canceled: boolean;
  compact_revision: number;
  cancel_reason: string;
  events: { type: 'PUT' | 'DELETE'; kv: KeyValue; prev_kv: KeyValue | null }[];
}

const field = (type: string, id: number) => ({ type, id });
const repeated = (type: string, id: number) => ({ type, id, rule: 'repeated' });
const header = field('ResponseHeader', 1);

const DESCRIPTOR = {
  options: { syntax: 'proto3' },
  nested: {
    mvccpb: {
      nested: {
        KeyValue: {
          fields: {
            key: field('bytes', 1),
            create_revision: field('int64', 2),
            mod_revision: field('int64', 3),
            version: field('int64', 4),
            value: field('bytes', 5),
            lease: field('int64', 6),
          },
        },
        Event: {
          nested: { EventType: { values: { PUT: 0, DELETE: 1 } } },
          fields: { type: field('EventType', 1), kv: field('KeyValue', 2), prev_kv: field('KeyValue', 3) },
        },
      },
    },
    etcdserverpb: {
      nested: {
        ResponseHeader: { fields: { revision: field('int64', 3) } },
        RangeRequest: {
          fields: {
            key: field('bytes', 1),
            range_end: field('bytes', 2),
            limit: field('int64', 3),
            revision: field('int64', 4),
          },
        },
        RangeResponse: {
          fields: { header, kvs: repeated('mvccpb.KeyValue', 2), more: field('bool', 3), count: field('int64', 4) },
        },
        PutRequest: { fields: { key: field('bytes', 1), value: field('bytes', 2) } },
        DeleteRangeRequest: { fields: { key: field('bytes', 1) } },
        Compare: {
          nested: {
            CompareResult: { values: { EQUAL: 0, GREATER: 1, LESS: 2, NOT_EQUAL: 3 } },
            CompareTarget: { values: { VERSION: 0, CREATE: 1, MOD: 2, VALUE: 3 } },
          },
          oneofs: { target_union: { oneof: ['mod_revision', 'value'] } },
          fields: {
            result: field('CompareResult', 1),
            target: field('CompareTarget', 2),
            key: field('bytes', 3),
            mod_revision: field('int64', 6),
            value: field('bytes', 7),
          },
        },
        RequestOp: {
          oneofs: { request: { oneof: ['request_range', 'request_put', 'request_delete_range', 'request_txn'] } },
          fields: {
            request_range: field('RangeRequest', 1),
            request_put: field('PutRequest', 2),
            request_delete_range: field('DeleteRangeRequest', 3),
            request_txn: field('TxnRequest', 4),
          },
        },
        ResponseOp: { fields: { response_range: field('RangeResponse', 1) } },
        TxnRequest: {
          fields: {
            compare: repeated('Compare', 1),
            success: repeated('RequestOp', 2),
            failure: repeated('RequestOp', 3),
          },
        },
        TxnResponse: { fields: { header, succeeded: field('bool', 2), responses: repeated('ResponseOp', 3) } },
        CompactionRequest: { fields: { revision: field('int64', 1) } },
        CompactionResponse: { fields: { header } },
        WatchCreateRequest: {
          fields: {
            key: field('bytes', 1),
            range_end: field('bytes', 2),
            start_revision: field('int64', 3),
            prev_kv: field('bool', 6),
          },
        },
        WatchRequest: {
          oneofs: { request_union: { oneof: ['create_request'] } },
          fields: { create_request: field('WatchCreateRequest', 1) },
        },
        WatchResponse: {
          fields: {
            header,
            created: field('bool', 3),
            canceled: field('bool', 4),
            compact_revision: field('int64', 5),
            cancel_reason: field('string', 6),
            events: repeated('mvccpb.Event', 11),
          },
        },
        StatusRequest: { fields: {} },
        StatusResponse: { fields: { header, version: field('string', 2), dbSize: field('int64', 3) } },
        KV: {
          methods: {
            Range: { requestType: 'RangeRequest', responseType: 'RangeResponse' },
            Txn: { requestType: 'TxnRequest', responseType: 'TxnResponse' },
            Compact: { requestType: 'CompactionRequest', responseType: 'CompactionResponse' },
          },
        },
        Watch: {
          methods: {
            Watch: {
              requestType: 'WatchRequest',
              responseType: 'WatchResponse',
              requestStream: true,
              responseStream: true,
            },
          },
        },
        Maintenance: { methods: { Status: { requestType: 'StatusRequest', responseType: 'StatusResponse' } } },
      },
    },
  },
};

// What the library takes is a union that TypeScript cannot match with nested plain objects.
type Descriptor = Parameters<typeof fromJSON>[0];

/** One method of the API: its path and how its messages are written and read. */
export type Method<Request extends object, Response extends object> = MethodDefinition<Request, Response>;

/** Built when a store is opened, not on import: it costs some milliseconds. */
export function etcdMethods() {
  const options = { keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true };
  const definition: Record<string, AnyDefinition> = fromJSON(DESCRIPTOR as unknown as Descriptor, options);
  const method = (service: string, name: string) => (definition[`etcdserverpb.${service}`] as ServiceDefinition)[name];
  return {
    range: method('KV', 'Range') as Method<RangeRequest, RangeResponse>,
    txn: method('KV', 'Txn') as Method<TxnRequest, TxnResponse>,
    compact: method('KV', 'Compact') as Method<{ revision: number }, { header: Header }>,
    watch: method('Watch', 'Watch') as Method<WatchRequest, WatchResponse>,
    status: method('Maintenance', 'Status') as Method<object, { header: Header; version: string; dbSize: number }>,
  };
}
