import { expect, test } from 'vitest';
import { DEFAULT_CONFIGURATION } from '#api/kubelet-config/kubelet-configuration.ts';
import { allocatableMemory, allocatableOf, podsLimits } from './node-allocatable.ts';

const GI = 1024 ** 3;
const capacity = { cpu: '4', memory: '8388608Ki', 'ephemeral-storage': '104857600Ki', pods: '110' };
const reserving = {
  ...DEFAULT_CONFIGURATION,
  kubeReserved: { cpu: '200m', memory: '1Gi' },
  systemReserved: { memory: '512Mi', 'ephemeral-storage': '1Gi' },
};

test('without reservations only the hard thresholds are kept back', () => {
  expect(allocatableOf(capacity, DEFAULT_CONFIGURATION)).toEqual({
    cpu: '4',
    memory: '8092Mi',
    'ephemeral-storage': '96636764160',
    pods: '110',
  });
});

test('reservations and thresholds add up', () => {
  expect(allocatableOf(capacity, reserving)).toEqual({
    cpu: '3800m',
    memory: '6556Mi',
    'ephemeral-storage': '95563022336',
    pods: '110',
  });
});

test('more than there is leaves nothing', () => {
  const all = { ...DEFAULT_CONFIGURATION, systemReserved: { memory: '16Gi', cpu: '8' } };
  expect(allocatableOf(capacity, all)).toMatchObject({ cpu: '0', memory: '0' });
});

test('the group of all pods is bound by what is reserved, not by what eviction keeps free', () => {
  const machine = { cpus: 4, memoryBytes: 8 * GI };
  expect(podsLimits(machine, DEFAULT_CONFIGURATION)).toEqual({ cpuShares: 4096, memoryBytes: 0 });
  expect(podsLimits(machine, reserving)).toEqual({ cpuShares: 3891, memoryBytes: 6.5 * GI });
  expect(podsLimits(machine, { ...reserving, enforceNodeAllocatable: ['none'] })).toEqual({ cpuShares: 3891 });
  expect(allocatableMemory(8 * GI, reserving)).toBe(6.5 * GI);
});
