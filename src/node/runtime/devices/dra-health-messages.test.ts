import { expect, test } from 'vitest';
import { healthCodecs } from './dra-health-messages.ts';

test('what a driver says of its devices is read as upstream’s api.proto numbers it', () => {
  const bytes = Buffer.from('0a110a060a017012016410021805201e2a016d', 'hex');
  expect(healthCodecs().response.deserialize(bytes)).toEqual({
    devices: [
      {
        device: { poolName: 'p', deviceName: 'd' },
        health: 'UNHEALTHY',
        lastUpdatedTime: '5',
        healthCheckTimeoutSeconds: '30',
        message: 'm',
      },
    ],
  });
});
