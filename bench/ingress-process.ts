/** One process of the Ingress, bundled as it is shipped: told its table by messages, as `net` tells it. */

import { systemClock, systemRandom } from '#cmd/system-clock.ts';
import { IngressServer, type TableChange } from '#network/ingress/ingress-server.ts';

let requests = 0;
const server = new IngressServer({
  httpPort: 0,
  httpsPort: 0,
  newRequestId: () => `${process.pid}-${++requests}`,
  random: systemRandom,
  clock: systemClock,
});

process.on('message', (change: TableChange) => {
  const complaints = server.change(change);
  process.send?.(complaints);
});
process.on('disconnect', () => process.exit(0));
void server.listen(['127.0.0.1']).then(({ http }) => process.send?.(http));
