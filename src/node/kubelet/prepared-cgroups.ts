/** The groups of the classes of service, so that they weigh against each other as a whole. */
import type { CgroupLimits, Cgroups } from '#node/runtime/cgroups/cgroups.ts';
import { type CgroupLayout, cgroupsOf } from '#node/runtime/cgroups/detect-cgroups.ts';

export async function preparedCgroups(
  layout: CgroupLayout,
  root: string,
  limits: CgroupLimits,
): Promise<Cgroups | undefined> {
  if (layout.version === 'none') return undefined;
  const made = cgroupsOf(layout);
  await made.ensure(root, limits);
  await made.ensure(`${root}/burstable`, {});
  await made.ensure(`${root}/besteffort`, { cpuShares: 2 });
  return made;
}
