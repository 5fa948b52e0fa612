/** A machine with pure cgroup v2, as users have it, that is also started anew: a whole cluster in a small guest of qemu's. */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { stockKubectl } from '../e2e/running-cluster.ts';
import { shippedFiles } from '../e2e/shipped-files.ts';
import { bootGuest } from './guest/boot.ts';
import { buildGuest, type GuestImage } from './guest/guest-image.ts';

const canBoot =
  existsSync('/usr/bin/qemu-system-x86_64') && existsSync('/usr/bin/cpio') && existsSync('/usr/sbin/depmod');
if (process.env['CI'] === 'true' && !canBoot) throw new Error('needs qemu-system-x86, cpio, kmod and e2fsprogs');

let directory = '';
afterAll(() => {
  if (directory) rmSync(directory, { recursive: true, force: true });
});

const SCRIPT = `#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t tmpfs tmp /tmp; mount -t tmpfs run /run
mkdir -p /dev/pts /dev/shm; mount -t devpts pts /dev/pts; mount -t tmpfs shm /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
hostname guest; ip link set lo up
cd /kedge
fail() { echo "GUEST-FAILED $1"; tail -n 40 /var/lib/kedge/guest/logs/*.log /var/lib/kedge/guest/*/*/*.log 2>/dev/null | tail -c 6000; reboot -f; }
kedge() { node dist/kedge.mjs "$@"; }
k() { kedge kubectl --name guest "$@"; }
ready() { k wait pod/probe --for=condition=Ready --timeout=400s || { k describe pod probe; fail ready; }; }
facts() { k get pod/probe -o jsonpath='{.metadata.uid}'; k get configmap kept -o jsonpath=' {.data.word}'; k get node node1 -o jsonpath=' {.status.addresses[0].address}'; }
if [ ! -e /second ]; then
  kedge up --name guest --nodes 1 --detach || fail up
  kedge image build /image --name guest --tag kedge.local/busybox:1 || fail image
  k apply -f /pod.yaml || fail apply
  k create configmap kept --from-literal=word=anchor || fail configmap
  ready
  echo "GUEST-LOGS $(k logs probe)"
  echo "GUEST-MEMORY $(cat $(find /sys/fs/cgroup -path '*kubepods*' -type d -name 'pod*')/memory.max)"
  echo "GUEST-V1 $(awk '$3 == "cgroup"' /proc/self/mounts | wc -l)"
  echo "GUEST-FACTS [$(facts)]"
  touch /second
  sync # what an orderly reboot does for everybody's files; nobody is told that it comes
  echo GUEST-DONE
  reboot -f
fi
kedge up --name guest --detach || fail again
ready
echo "GUEST-FACTS [$(facts)]"
echo "GUEST-RESTARTS $(k get pod/probe -o jsonpath='{.status.containerStatuses[0].restartCount}')"
kedge down --name guest --purge || fail down
echo "GUEST-LEFT [$(find /sys/fs/cgroup -type d -name 'pod*' | head -3)]"
echo GUEST-DONE
reboot -f
`;

const POD = `
apiVersion: v1
kind: Pod
metadata: {name: probe}
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: main
      image: kedge.local/busybox:1
      command: [/bin/busybox, sh, -c, "/bin/busybox cat /proc/self/cgroup /sys/fs/cgroup/memory.max; exec /bin/busybox sleep 1000"]
      resources: {limits: {cpu: 500m, memory: 64Mi}}
`;

describe.skipIf(!canBoot)('a machine with pure cgroup v2', () => {
  let guest: GuestImage;
  let before = '';

  test('runs a pod whose limits hold', { timeout: 900_000 }, async () => {
    guest = await prepared();
    before = await bootGuest(guest, 840_000);
    expect(before).toContain('GUEST-DONE');
    expect(before).toMatch(/GUEST-LOGS 0::\//); // one line: there is no other hierarchy
    expect(before).toContain('GUEST-MEMORY 67108864');
    expect(before).toContain('GUEST-V1 0');
  });

  test('has its objects, addresses and pods again after a reboot', { timeout: 900_000 }, async () => {
    const after = await bootGuest(guest, 840_000);
    expect(after).toContain('GUEST-DONE');
    expect(factsOf(after)).toMatch(/^[0-9a-f-]{36} anchor 172\.30\.\d+\.11$/);
    expect(factsOf(after)).toBe(factsOf(before));
    expect(after).toContain('GUEST-RESTARTS 1');
    expect(after).toContain('GUEST-LEFT []');
  });
});

const factsOf = (said: string): string | undefined => /GUEST-FACTS \[(.*)\]/.exec(said)?.[1];

async function prepared(): Promise<GuestImage> {
  directory = mkdtempSync('/var/tmp/kedge-guest-');
  const image = join(directory, 'image/bin');
  mkdirSync(image, { recursive: true });
  copyFileSync('/bin/busybox', join(image, 'busybox'));
  return buildGuest({
    directory,
    folders: [
      ...shippedFiles().map(({ from, to }) => ({ from, to: join('kedge', to) })),
      { from: join(directory, 'image'), to: 'image' },
      { from: await stockKubectl(), to: 'usr/bin/kubectl' },
    ],
    files: { 'pod.yaml': POD },
    script: SCRIPT,
  });
}
