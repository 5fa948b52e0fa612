/** Asks the network of a pod whatever it is told, from within: `begin` names the loads, `end` gives what became of each. */
import { type PacedLoad, type PacedLoadOptions, pacedLoad } from './paced-load.ts';
import { type PacedNamesOptions, pacedNames } from './paced-names.ts';

/** By a name of the asker's choice. */
export type Loads = Record<string, { requests: PacedLoadOptions } | { names: PacedNamesOptions }>;
export type Ended = Record<string, PacedLoad>;
export type ClientMessage = { begin: Loads } | { end: true };

let running: [string, { stop(): Promise<PacedLoad> }][] = [];

process.on('message', async (message: ClientMessage) => {
  if ('begin' in message) {
    running = Object.entries(message.begin).map(([name, load]) => [
      name,
      'names' in load ? pacedNames(load.names) : pacedLoad(load.requests),
    ]);
    process.send?.('begun');
    return;
  }
  const ended = await Promise.all(running.map(async ([name, { stop }]) => [name, await stop()] as const));
  process.send?.(Object.fromEntries(ended));
});
process.send?.('here');
