/** The gRPC health check: one call, two messages of one field. Source: grpc/grpc, doc/health-checking.md. */
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import type { Clock } from '#base/clock.ts';
import { ActionFailed } from './http-action.ts';

const STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];

/** @throws ActionFailed */
export function grpcCheck(
  { host, port, service }: { host: string; port: number; service: string },
  { clock, timeoutMs }: { clock: Clock; timeoutMs: number },
): Promise<void> {
  const client = new Client(`${host.includes(':') ? `[${host}]` : host}:${port}`, credentials.createInsecure());
  return new Promise<void>((resolve, reject) => {
    client.makeUnaryRequest<string, number>(
      '/grpc.health.v1.Health/Check',
      encodeRequest,
      decodeStatus,
      service,
      { deadline: clock.now() + timeoutMs },
      (error: ServiceError | null, serving?: number) => {
        if (error) reject(new ActionFailed(failureText(error, { service, timeoutMs })));
        else if (serving !== 1)
          reject(new ActionFailed(`service unhealthy (responded with "${STATUSES[serving ?? 0] ?? serving}")`));
        else resolve();
      },
    );
  }).finally(() => client.close());
}

/** Field 1, a string of fewer than 128 bytes or of two length bytes. */
function encodeRequest(service: string): Buffer {
  const name = Buffer.from(service, 'utf8');
  if (name.length === 0) return Buffer.alloc(0);
  const length = name.length < 128 ? [name.length] : [(name.length & 0x7f) | 0x80, name.length >> 7];
  return Buffer.concat([Buffer.from([0x0a, ...length]), name]);
}

/** Field 1, an enum; absent is 0. */
const decodeStatus = (message: Buffer): number => (message[0] === 0x08 ? (message[1] ?? 0) : 0);

function failureText(error: ServiceError, { service, timeoutMs }: { service: string; timeoutMs: number }): string {
  if (error.code === status.UNIMPLEMENTED)
    return `error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${error.details}`;
  if (error.code === status.DEADLINE_EXCEEDED || error.code === status.UNAVAILABLE)
    return `timeout: failed to connect service "${service}" within ${timeoutMs / 1000}s: ${error.details}`;
  return `error: health rpc probe failed: ${error.details}`;
}
