import { expect, test } from 'vitest';
import { greetingOf, MOST_HELLO_BYTES } from './client-hello.ts';

const u16 = (value: number) => Buffer.from([value >> 8, value & 0xff]);
const sized = (bytes: Buffer) => Buffer.concat([u16(bytes.length), bytes]);
const extension = (type: number, bytes: Buffer) => Buffer.concat([u16(type), sized(bytes)]);
const serverName = (name: string) =>
  extension(0, sized(Buffer.concat([Buffer.from([0]), sized(Buffer.from(name, 'latin1'))])));

function hello(...extensions: Buffer[]): Buffer {
  const session = Buffer.from([2, 7, 7]);
  const body = Buffer.concat([
    u16(0x0303),
    Buffer.alloc(32, 1),
    session,
    sized(u16(0x1301)),
    Buffer.from([1, 0]),
    sized(Buffer.concat(extensions)),
  ]);
  const handshake = Buffer.concat([Buffer.from([1, 0]), u16(body.length), body]);
  return Buffer.concat([Buffer.from([22, 3, 1]), sized(handshake)]);
}

test('the name is found behind whatever else is said, in lower case', () => {
  const bytes = hello(extension(10, u16(29)), serverName('WWW.Example.com'), extension(43, u16(3)));
  expect(greetingOf(bytes)).toEqual({ is: 'whole', servername: 'www.example.com' });
  expect(greetingOf(Buffer.concat([bytes, Buffer.from('more')]))).toMatchObject({ servername: 'www.example.com' });
});

test('who says no name, or does not speak TLS, is told from who has not said all', () => {
  const bytes = hello(serverName('a.example'));
  for (let length = 0; length < bytes.length; length++)
    expect(greetingOf(bytes.subarray(0, length))).toEqual({ is: 'incomplete' });
  expect(greetingOf(hello())).toEqual({ is: 'whole', servername: undefined });
  expect(greetingOf(Buffer.from('GET / HTTP/1.1\r\n'))).toEqual({ is: 'whole', servername: undefined });
  const endless = Buffer.concat([Buffer.from([22, 3, 1, 0xff, 0xff]), Buffer.alloc(MOST_HELLO_BYTES)]);
  expect(greetingOf(endless)).toEqual({ is: 'whole', servername: undefined });
});

test('no bytes make it fail', () => {
  const bytes = hello(extension(10, u16(29)), serverName('www.example.com'));
  for (let at = 0; at < bytes.length; at++) {
    for (const value of [0, 1, 0x7f, 0xff]) {
      const changed = Buffer.from(bytes);
      changed[at] = value;
      expect(() => greetingOf(changed)).not.toThrow();
    }
  }
});
