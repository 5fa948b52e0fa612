/** From the file of `--scheduler-config` to the scheduler's profiles. */
import {
  ConfigurationError,
  decodeConfiguration,
  refuseInvalid,
} from '#control-plane/apiserver/remote/configuration-file.ts';
import { validateSchedulerConfiguration } from '#control-plane/scheduler/configuration/configuration-rules.ts';
import { ProfileFailed, profilesOf } from '#control-plane/scheduler/configuration/configured-profiles.ts';
import {
  type SchedulerConfiguration,
  schedulerConfigurationType,
} from '#control-plane/scheduler/configuration/scheduler-configuration.ts';
import { httpExtender } from '#control-plane/scheduler/extenders/http-extender.ts';
import type { Profile } from '#control-plane/scheduler/profile.ts';
import type { BackOffTimes } from '#control-plane/scheduler/queue.ts';
import { type ApiServerFlags, FlagError } from './api-server-flags.ts';
import { senderFor } from './extender-sender.ts';

const FLAG = 'scheduler-config';

export interface SchedulerSettings {
  /** Anew for each scheduler: plugins remember what they have given away. */
  profiles(): Profile[];
  backOff: BackOffTimes;
}

/** Without the flag: undefined, which means upstream's defaults. Throws FlagError. */
export function schedulerSettings(flags: ApiServerFlags): SchedulerSettings | undefined {
  if (!flags.has(FLAG)) return undefined;
  try {
    const configuration = decodeConfiguration<SchedulerConfiguration>(flags.file(FLAG), schedulerConfigurationType);
    refuseInvalid(validateSchedulerConfiguration(configuration));
    const extenders = (configuration.extenders ?? []).map((each) => httpExtender(each, senderFor(each)));
    const { podInitialBackoffSeconds = 1, podMaxBackoffSeconds = 10 } = configuration;
    const profiles = () => profilesOf(configuration, extenders);
    profiles(); // what cannot be made is said now
    return {
      profiles,
      backOff: { firstMs: podInitialBackoffSeconds * 1000, mostMs: podMaxBackoffSeconds * 1000 },
    };
  } catch (error) {
    if (!(error instanceof ConfigurationError || error instanceof ProfileFailed)) throw error;
    throw new FlagError(`--${FLAG}: ${flags.text(FLAG)}: ${error.message}`);
  }
}
