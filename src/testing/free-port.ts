import { createServer } from 'node:net';

/** A port of this machine that nobody listens on; right away, since nothing keeps it free. */
export const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const probe = createServer();
    probe.listen(0, () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
