/**
 * How a WebSocket carries the streams of exec and attach: a channel number before each message. v5 adds that the client
 * says when its input is over. Source: apimachinery, remotecommand; kubernetes-v1.36 wire notes.
 */

export const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const;
const CLOSE = 255;

export const channelProtocols = [
  'v5.channel.k8s.io',
  'v4.channel.k8s.io',
  'v4.base64.channel.k8s.io',
  'channel.k8s.io',
  'base64.channel.k8s.io',
] as const;

export type ChannelMessage = { channel: number; data: Buffer } | { closed: number };

export interface ChannelCodec {
  /** Whether the error channel carries a Status as JSON; else only the text of a failure. */
  statusAsJson: boolean;
  encode(channel: number, data: Buffer): Buffer | string;
  /** undefined: a message without a channel. */
  decode(message: Buffer, isBinary: boolean): ChannelMessage | undefined;
}

export function codecFor(protocol: string): ChannelCodec {
  const statusAsJson = protocol.startsWith('v');
  return protocol.includes('base64') ? base64Codec(statusAsJson) : binaryCodec(statusAsJson, protocol.startsWith('v5'));
}

const binaryCodec = (statusAsJson: boolean, hasClose: boolean): ChannelCodec => ({
  statusAsJson,
  encode: (channel, data) => Buffer.concat([Buffer.from([channel]), data]),
  decode(message) {
    const [channel, closed] = message;
    if (channel === undefined) return undefined;
    if (hasClose && channel === CLOSE && closed !== undefined) return { closed };
    return { channel, data: message.subarray(1) };
  },
});

/** The channel is a digit. */
const base64Codec = (statusAsJson: boolean): ChannelCodec => ({
  statusAsJson,
  encode: (channel, data) => `${channel}${data.toString('base64')}`,
  decode(message) {
    const text = message.toString('latin1');
    const channel = Number(text[0] ?? Number.NaN);
    return Number.isInteger(channel) ? { channel, data: Buffer.from(text.slice(1), 'base64') } : undefined;
  },
});
