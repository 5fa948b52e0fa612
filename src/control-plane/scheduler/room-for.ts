/** What plugins say of a pod that fits nowhere: whose place it could have, or why there is none. */
import type { Pod } from '#api/core/v1/pod.ts';
import type { Random } from '#base/random.ts';
import type { Client } from '#client/client.ts';
import type { Refusal } from './cycle.ts';
import type { ClusterView, Room } from './define-plugin.ts';
import { pointsOf } from './points.ts';
import type { Profile } from './profile.ts';

export interface NoRoom {
  said: string;
  /** Room was made before, and it still waits for it. */
  keepsPlace: boolean;
}

/** And the plugin that found it. */
export type FoundRoom = Room & { madeBy: string };

interface Known {
  cluster: ClusterView;
  profile: Profile;
  /** Where room was made for the pod already. */
  nominatedTo: string | undefined;
  client: Client;
  random: Random;
}

export async function roomFor(pod: Pod, refusal: Refusal, known: Known): Promise<FoundRoom | NoRoom> {
  const { profile, ...others } = known;
  const { plugins, extenders = [] } = profile;
  const { verdicts, alike, trialOn, refusedBy, states } = refusal;
  const refusedEarlyBy = refusal.general === undefined ? undefined : refusedBy[0];
  const asked = { ...others, plugins, verdicts, alike, trialOn, refusedEarlyBy, extenders };
  const said: string[] = [];
  let keepsPlace = false;
  for (const plugin of pointsOf(plugins).makeRoom) {
    const room = await plugin.makeRoom(pod, asked, states.get(plugin));
    if (room && 'victims' in room) return { ...room, madeBy: plugin.name };
    if (!room) continue;
    if (room.isAlone) said.length = 0;
    said.push(room.message);
    if (room.keepsPlace) keepsPlace = true;
    if (room.isLast) break;
  }
  return { said: said.join(', '), keepsPlace };
}
