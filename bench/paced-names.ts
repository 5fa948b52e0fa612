/** So many questions of DNS a second, each from a socket of its own as resolvers have it; what is not answered is counted. */
import { createSocket } from 'node:dgram';
import dnsPacket from 'dns-packet';
import { paced } from './paced.ts';
import type { PacedLoad } from './paced-load.ts';

export interface PacedNamesOptions {
  /** Of the DNS. */
  address: string;
  name: string;
  perSecond: number;
}

/** As long as a resolver waits before it asks again. Source: resolv.conf(5), `timeout`. */
const GIVE_UP_MS = 5_000;

export function pacedNames({ address, name, perSecond }: PacedNamesOptions): { stop(): Promise<PacedLoad> } {
  const load: PacedLoad = { times: [], answered: 0, failed: 0, failures: new Map() };
  const one = () =>
    new Promise<void>((resolve) => {
      const socket = createSocket('udp4');
      const began = performance.now();
      const done = (failure?: string) => {
        clearTimeout(late);
        socket.close();
        if (failure === undefined) load.times.push(performance.now() - began);
        else {
          load.failed++;
          load.failures.set(failure, (load.failures.get(failure) ?? 0) + 1);
        }
        resolve();
      };
      const late = setTimeout(done, GIVE_UP_MS, 'no answer');
      socket.once('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
      socket.once('message', (message) => {
        load.answered++;
        const { rcode, answers } = dnsPacket.decode(message) as dnsPacket.DecodedPacket & { rcode?: string };
        done(answers?.length ? undefined : (rcode ?? 'no address'));
      });
      // Connected, so that a port at which nobody listens is told.
      socket.connect(53, address, () => socket.send(question(name)));
    });
  const asking = paced(perSecond, one);
  return {
    async stop() {
      await asking.stop();
      return load;
    },
  };
}

const question = (name: string): Buffer =>
  dnsPacket.encode({
    id: Math.floor(Math.random() * 65_536),
    type: 'query',
    flags: dnsPacket.RECURSION_DESIRED,
    questions: [{ name, type: 'A' }],
  });
