import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { ClusterPaths, ClusterSettings } from '#node/machine/cluster-dir.ts';
import type { MachineFacts } from '#node/machine/detect.ts';

/** What all parts of a supervisor have in common. */
export interface SupervisorContext {
  paths: ClusterPaths;
  facts: MachineFacts;
  settings: ClusterSettings;
  clock: Clock;
  log: Log;
  /** The start of a command line that runs this same program. */
  program: readonly string[];
  /** Called after every change of a status. */
  onChange: () => void;
}
