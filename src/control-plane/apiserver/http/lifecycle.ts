/** How far a server is on its way out. Source: upstream's genericapiserver.go, "graceful shutdown". */
import type { HealthCheck } from './health.ts';

export class Lifecycle {
  /** /readyz fails: whoever sends clients here should stop. */
  isShuttingDown = false;
  /** What comes now is refused. */
  isDraining = false;

  readonly check: HealthCheck = {
    name: 'shutdown',
    of: ['readyz'],
    check: () => {
      if (this.isShuttingDown) throw new Error('process is shutting down');
    },
  };
}
