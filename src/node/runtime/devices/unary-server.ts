/** A socket of this machine at which gRPC calls with one question and one answer each are taken. */
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { type Codec, type Reply, unaryMethod } from '#node/runtime/message-table.ts';

export type Answer = (error: { code: number; details: string } | null, reply?: object) => void;

export interface UnaryCall {
  codecs: { path: string; request: Codec; response: Codec };
  answer(given: Reply, answer: Answer): void;
}

export interface UnaryServer {
  close(): Promise<void>;
}

/** Whoever asks has little to say. */
const MAX_MESSAGE_BYTES = 64 * 1024;

/** Resolves when it listens. `calls`: by name. */
export async function serveUnary(socketPath: string, calls: Readonly<Record<string, UnaryCall>>): Promise<UnaryServer> {
  const server = new Server({ 'grpc.max_receive_message_length': MAX_MESSAGE_BYTES });
  const all = Object.entries(calls);
  server.addService(
    Object.fromEntries(all.map(([name, { codecs }]) => [name, unaryMethod(codecs)])),
    Object.fromEntries(
      all.map(([name, call]) => [
        name,
        ({ request }: { request: Reply }, answer: Answer) => call.answer(request, answer),
      ]),
    ),
  );
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socketPath}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    );
  });
  return {
    async close() {
      server.forceShutdown();
    },
  };
}
