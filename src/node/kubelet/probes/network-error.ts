/** Network errors as Go words them: they end up in events. */
const WORDS: Record<string, string> = {
  ECONNREFUSED: 'connect: connection refused',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
  ETIMEDOUT: 'i/o timeout',
};

export function networkErrorText(
  error: Error & { code?: string },
  { host, port }: { host: string; port: number },
): string {
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const words = WORDS[error.code ?? ''];
  if (words) return `dial tcp ${address}: ${words}`;
  if (error.code === 'ECONNRESET')
    return error.message === 'socket hang up' ? 'EOF' : `read tcp ${address}: connection reset by peer`;
  return error.message;
}
