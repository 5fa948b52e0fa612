/**
 * Starts the supervisor of a cluster: as a systemd unit where systemd runs, else as a process of its own. Foreground, detached
 * and after a reboot it is the same process; whoever waits for it only looks on.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClusterPaths } from '#node/machine/cluster-dir.ts';
import type { MachineFacts } from '#node/machine/detect.ts';
import { type ProcessRecord, recordOf } from '#node/machine/process-record.ts';
import { run, succeeds } from '#node/machine/run-command.ts';
import { spawnDetached } from '#node/machine/spawn-detached.ts';
import type { CliContext } from './context.ts';

export interface SupervisorStart {
  name: string;
  paths: ClusterPaths;
  facts: Pick<MachineFacts, 'systemd' | 'root'>;
  /** Started again when the machine is (systemd only). */
  atBoot: boolean;
}

/** @returns its process, which has not put itself on record yet; undefined: it has ended already. */
export async function startSupervisor(context: CliContext, start: SupervisorStart): Promise<ProcessRecord | undefined> {
  const { name, paths, facts, atBoot } = start;
  const argv = [...context.program, 'supervisor', '--name', name, '--data-dir', paths.dataDir];
  const logFile = join(paths.logs, 'supervisor.log');
  if (!usesSystemd(facts)) {
    const { pid } = await spawnDetached({ argv, logFile });
    return recordOf(pid);
  }
  await removeUnit(name);
  await mkdir(paths.logs, { recursive: true, mode: 0o700 });
  await writeFile(join(unitFolder(atBoot), unitName(name)), unitText({ name, argv, logFile }), { mode: 0o644 });
  await run(['systemctl', 'daemon-reload']);
  if (atBoot) await run(['systemctl', 'enable', '--quiet', unitName(name)]);
  await run(['systemctl', 'start', unitName(name)]);
  const pid = Number(await run(['systemctl', 'show', '--property=MainPID', '--value', unitName(name)]));
  return pid > 0 ? recordOf(pid) : undefined;
}

/** After the cluster is down. Nothing happens where there is no unit. */
export async function forgetSupervisor(name: string, facts: SupervisorStart['facts']): Promise<void> {
  if (usesSystemd(facts)) await removeUnit(name);
}

const usesSystemd = ({ systemd, root }: SupervisorStart['facts']): boolean => systemd && root;
const unitName = (name: string): string => `kedge-${name}.service`;
const unitFolder = (atBoot: boolean): string => (atBoot ? '/etc/systemd/system' : '/run/systemd/system');

async function removeUnit(name: string): Promise<void> {
  await succeeds(['systemctl', 'disable', '--quiet', unitName(name)]); // there may be none
  await succeeds(['systemctl', 'reset-failed', '--quiet', unitName(name)]);
  for (const atBoot of [true, false]) await rm(join(unitFolder(atBoot), unitName(name)), { force: true });
  await run(['systemctl', 'daemon-reload']);
}

/**
 * KillMode=process: nodes and the control plane outlive a supervisor that fails, and the next one adopts them.
 * Delegate: the pods' control groups are made by us. Source: systemd.service(5), systemd.kill(5), systemd.resource-control(5).
 */
export function unitText({ name, argv, logFile }: { name: string; argv: readonly string[]; logFile: string }): string {
  return `[Unit]
Description=Kedge cluster ${name}
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
ExecStart=${argv.map(quoted).join(' ')}
Restart=on-failure
RestartSec=1
KillMode=process
Delegate=yes
TasksMax=infinity
LimitNOFILE=1048576
StandardOutput=append:${logFile.replaceAll('%', '%%')}
StandardError=append:${logFile.replaceAll('%', '%%')}

[Install]
WantedBy=multi-user.target
`;
}

/** systemd.service(5), "Command lines": quoting as in C; % and $ are doubled. */
const quoted = (text: string): string => JSON.stringify(text).replaceAll('%', '%%').replaceAll('$', '$$$$');
