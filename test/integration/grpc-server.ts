/** A server that speaks HTTP/2 alone, and answers each part of a call with what it was asked. */
import { createServer, type Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';

/** @param name told in its trailers. */
export async function grpcServer(
  name: string,
  closing: (server: Http2Server) => void,
): Promise<{ address: string; port: number; server: Http2Server }> {
  const server = createServer();
  closing(server);
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'grpc-message': name }));
    stream.on('data', (part: Buffer) =>
      stream.write(`${headers['te']} ${headers[':path']} ${headers['x-set']} ${part}`),
    );
    stream.on('end', () => stream.end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { address: '127.0.0.1', port: (server.address() as AddressInfo).port, server };
}
