/**
 * What the other side says to an upgrade. Nothing of the client's reaches it before it has agreed: after a refusal the
 * connection, which is the API server's, would still take requests (CVE-2018-1002105).
 */
import type { Duplex } from 'node:stream';
import type { Clock } from '#base/clock.ts';

export interface UpgradeAnswer {
  code: number;
  /** With whatever came right behind it. */
  bytes: Buffer;
  /** Where the head ends in them. */
  headLength: number;
}

const MAX_HEAD_BYTES = 64 * 1024;
const MAX_REFUSAL_BYTES = 64 * 1024;
const REFUSAL_TIMEOUT_MS = 10_000;
const END_OF_HEAD = '\r\n\r\n';

/** Throws what `fail` makes of the reason when there is no answer. The socket is paused afterwards. */
export function upgradeAnswer(other: Duplex, fail: (why: string) => Error): Promise<UpgradeAnswer> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    const stop = () => void other.off('data', take).off('close', closed).off('error', closed);
    const failed = (why: string) => {
      stop();
      other.on('error', () => undefined); // whatever else is wrong with it
      other.destroy();
      reject(fail(why));
    };
    const closed = () => failed('unexpected EOF');
    const take = (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      const end = bytes.indexOf(END_OF_HEAD);
      if (end >= 0) {
        stop();
        other.pause();
        const code = Number(/^HTTP\/1\.\d (\d{3})/.exec(bytes.toString('latin1', 0, 16))?.[1] ?? 0);
        resolve({ code, bytes, headLength: end + END_OF_HEAD.length });
      } else if (bytes.length > MAX_HEAD_BYTES) failed('the head of the answer is too long');
    };
    other.on('data', take).on('close', closed).on('error', closed);
  });
}

/** Shows the client the refusal as it is, and closes both. Nothing goes the other way. */
export function passRefusal(client: Duplex, other: Duplex, answer: UpgradeAnswer, clock: Clock): Promise<void> {
  const head = answer.bytes.toString('latin1', 0, answer.headLength);
  const length = Number(/^content-length: *(\d{1,9}) *$/im.exec(head)?.[1] ?? Number.POSITIVE_INFINITY);
  const isChunked = /^transfer-encoding:.*chunked/im.test(head);
  const limit = Math.min(length, MAX_REFUSAL_BYTES);
  return new Promise((resolve) => {
    let sent = 0;
    let last = '';
    const timer = clock.timer(REFUSAL_TIMEOUT_MS, () => done());
    const pass = (chunk: Buffer) => {
      const part = chunk.subarray(0, limit - sent);
      sent += part.length;
      last = (last + part.toString('latin1')).slice(-5);
      if (client.writable) client.write(part);
      if (sent >= limit || (isChunked && last === '0\r\n\r\n')) done();
    };
    const done = () => {
      timer.cancel();
      other.off('data', pass).off('close', done);
      other.destroy();
      client.end();
      resolve();
    };
    other.on('error', () => undefined).on('close', done);
    client.once('close', done);
    client.write(answer.bytes.subarray(0, answer.headLength));
    other.on('data', pass);
    pass(answer.bytes.subarray(answer.headLength));
    other.resume();
  });
}

/** Until both are closed. Half-closed is not enough of either: a stream's end is for its protocol to tell. */
export function joined(client: Duplex, other: Duplex): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      client.destroy();
      other.destroy();
      resolve();
    };
    client.pipe(other);
    other.pipe(client);
    other.once('error', end);
    other.once('close', () => (client.writableLength > 0 && !client.destroyed ? client.end(end) : end()));
    client.once('error', end);
    client.once('close', end);
  });
}
