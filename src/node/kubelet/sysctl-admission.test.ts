import { expect, test } from 'vitest';
import type { Pod } from '#api/generated/schema.ts';
import { sysctlRefusal } from './sysctl-admission.ts';

const setting = (name: string, more: object = {}) =>
  ({ spec: { securityContext: { sysctls: [{ name, value: '1' }] }, ...more } }) as unknown as Pod;

for (const [pod, allowed, message] of [
  [setting('kernel.shm_rmid_forced'), [], undefined],
  [setting('kernel.msgmax'), [], 'forbidden sysctl: "kernel.msgmax" not allowlisted'],
  [setting('kernel.msgmax'), ['kernel.msg*'], undefined],
  [setting('net.core.somaxconn'), ['net.core.somaxconn'], undefined],
  [setting('net.core.somaxconn'), ['net.core'], 'forbidden sysctl: "net.core.somaxconn" not allowlisted'],
  [
    setting('net.ipv4.tcp_syncookies', { hostNetwork: true }),
    [],
    'forbidden sysctl: "net.ipv4.tcp_syncookies" not allowed with host net enabled',
  ],
  [
    setting('kernel.shm_rmid_forced', { hostIPC: true }),
    [],
    'forbidden sysctl: "kernel.shm_rmid_forced" not allowed with host ipc enabled',
  ],
] as const)
  test(`${JSON.stringify(pod.spec)} where ${JSON.stringify(allowed)} is allowed: ${message ?? 'taken'}`, () => {
    const refusal = message && { reason: 'SysctlForbidden', message };
    expect(sysctlRefusal(pod, allowed)).toEqual(refusal);
  });
