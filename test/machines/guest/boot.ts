import { spawn } from 'node:child_process';
import type { GuestImage } from './guest-image.ts';

const MEMORY_MB = 2048;

/**
 * Boots the guest in software emulation (TCG: no KVM is needed, and none is trusted) and resolves with everything that it
 * wrote to its console when it has ended itself. Kills it after `withinMs`.
 */
export function bootGuest({ kernel, initrd, disk }: GuestImage, withinMs: number): Promise<string> {
  const append = 'console=ttyS0 quiet panic=-1 reboot=t cgroup_no_v1=all rdinit=/init net.ifnames=0';
  const child = spawn(
    'qemu-system-x86_64',
    [
      // q35 and not microvm: without a PM timer the kernel calibrates its clock by luck, and hangs on a busy host.
      ...['-M', 'q35', '-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2', '-m', String(MEMORY_MB)],
      ...['-kernel', kernel, '-initrd', initrd, '-append', append],
      ...['-drive', `id=root,file=${disk},format=raw,if=none`, '-device', 'virtio-blk-pci,drive=root'],
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
