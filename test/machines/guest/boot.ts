import { spawn } from 'node:child_process';
import type { GuestImage } from './guest-image.ts';

const MEMORY_MB = 2048;
// It dies with whoever started it.
const QEMU = ['--pdeathsig', 'KILL', 'qemu-system-x86_64'];

export interface Machine {
  kernel: string;
  initrd: string;
  memoryMb: number;
  /** Further words for the kernel. */
  append?: string;
  /** Further hardware, as arguments of qemu's. */
  devices: readonly string[];
}

/**
 * Boots a machine in software emulation (TCG: no KVM is needed, and none is trusted) and resolves with everything that it
 * wrote to its console when it has ended itself. Kills it after `withinMs`.
 */
export function bootMachine({ kernel, initrd, memoryMb, append, devices }: Machine, withinMs: number): Promise<string> {
  const words = ['console=ttyS0 quiet panic=-1 reboot=t mitigations=off cgroup_no_v1=all net.ifnames=0', append ?? ''];
  const child = spawn(
    'setpriv',
    [
      ...QEMU,
      // q35 and not microvm: without a PM timer the kernel calibrates its clock by luck, and hangs on a busy host.
      ...['-M', 'q35', '-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2', '-m', String(memoryMb)],
      ...['-kernel', kernel, '-initrd', initrd, '-append', words.join(' ').trim()],
      ...devices,
      ...['-display', 'none', '-vga', 'none', '-net', 'none', '-monitor', 'none', '-no-reboot', '-serial', 'stdio'],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let console = '';
  const hear = (text: string) => {
    console += text;
  };
  child.stdout.setEncoding('utf8').on('data', hear);
  child.stderr.setEncoding('utf8').on('data', hear);
  const timer = setTimeout(() => child.kill('SIGKILL'), withinMs);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', () => {
      clearTimeout(timer);
      resolve(console);
    });
  });
}

/** Boots the guest from its disk. */
export function bootGuest({ kernel, initrd, disk }: GuestImage, withinMs: number): Promise<string> {
  const devices = ['-drive', `id=root,file=${disk},format=raw,if=none`, '-device', 'virtio-blk-pci,drive=root'];
  return bootMachine({ kernel, initrd, memoryMb: MEMORY_MB, append: 'rdinit=/init', devices }, withinMs);
}
