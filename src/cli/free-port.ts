import { createServer } from 'node:net';
import { UserError } from './context.ts';

/** Nobody listens on it, at any address. Throws UserError when this user may not listen there at all. */
export const isPortFree = (port: number): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(false) : reject(new UserError(`Port ${port}: ${error.message}`)),
    );
    probe.listen(port, () => probe.close(() => resolve(true)));
  });
