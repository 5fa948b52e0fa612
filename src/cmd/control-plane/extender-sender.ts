/** How the scheduler's extenders are reached: small bounded requests, HTTP or HTTPS. Redirects are not followed. */
import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { dialProblem } from '#control-plane/apiserver/remote/dial-problem.ts';
import type { ConfiguredExtender } from '#control-plane/scheduler/configuration/scheduler-configuration.ts';
import type { SendJson } from '#control-plane/scheduler/extenders/http-extender.ts';
import { FlagError } from './api-server-flags.ts';

/** A list of 5,000 nodes has about 25 MB. */
const MOST_BYTES = 64 * 1024 * 1024;

/** Throws FlagError when a file of its `tlsConfig` cannot be read. */
export function senderFor({ tlsConfig = {}, enableHTTPS }: ConfiguredExtender): SendJson {
  const read = (path: string | undefined) => {
    try {
      return path === undefined ? undefined : readFileSync(path, 'utf8');
    } catch (error) {
      throw new FlagError(`--scheduler-config: ${path} cannot be read: ${(error as Error).message}`);
    }
  };
  const { insecure, serverName } = tlsConfig;
  const trust = { ca: read(tlsConfig.caFile), cert: read(tlsConfig.certFile), key: read(tlsConfig.keyFile) };
  const tls: RequestOptions = {
    ...Object.fromEntries(Object.entries(trust).filter(([, value]) => value !== undefined)),
    ...(serverName && { servername: serverName }),
    ...(insecure && { rejectUnauthorized: false }),
  };
  return (url, body, { timeoutMs }) => send(withScheme(url, enableHTTPS ?? false), body, { timeoutMs, tls });
}

/** Upstream adds none; an address without one is meant as the flag says. */
const withScheme = (url: string, isHttps: boolean): string =>
  /^https?:\/\//.test(url) ? url : `${isHttps ? 'https' : 'http'}://${url}`;

function send(
  url: string,
  body: unknown,
  { timeoutMs, tls }: { timeoutMs: number; tls: RequestOptions },
): ReturnType<SendJson> {
  return new Promise((resolve) => {
    const fail = (problem: string) => resolve({ problem });
    let target: URL;
    try {
      target = new URL(url);
    } catch {
      return fail('invalid URL');
    }
    const payload = JSON.stringify(body);
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) };
    const isHttps = target.protocol === 'https:';
    const signal = AbortSignal.timeout(timeoutMs);
    const options = { method: 'POST', headers, signal, ...(isHttps && tls) };
    const sent = (isHttps ? httpsRequest : httpRequest)(target, options, (answer) => {
      const chunks: Buffer[] = [];
      let size = 0;
      answer.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > MOST_BYTES) answer.destroy(new Error(`the answer is larger than ${MOST_BYTES} bytes`));
        else chunks.push(chunk);
      });
      answer.on('end', () => resolve({ code: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }));
      answer.on('error', (error) => fail(error.message));
    });
    const { hostname: host, port } = target;
    sent.on('error', (error) =>
      fail(
        signal.aborted
          ? 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
          : dialProblem(error, { host, port: port || (isHttps ? '443' : '80') }),
      ),
    );
    sent.end(payload);
  });
}
