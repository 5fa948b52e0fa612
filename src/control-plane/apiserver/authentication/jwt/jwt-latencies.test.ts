import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { JwtLatencies } from './jwt-latencies.ts';

test('issuers are told by a hash of their address, and what never was is not', async () => {
  const latencies = new JwtLatencies();
  const registry = new Registry();
  latencies.registerMetrics(registry);
  latencies.observe('testIssuer', 'success', 2);
  latencies.observe('testIssuer', 'success', 20_000);
  const lines = (await registry.metrics()).split('\n').filter((line) => /_count|le="(0.001|0.005|10)"/.test(line));
  // The hash is the one of upstream's own test.
  const hash = 'jwt_issuer_hash="sha256:29b34beedc55b972f2428f21bc588f9d38e5e8f7a7af825486e7bb4fd9caa2ad"';
  const name = 'apiserver_authentication_jwt_authenticator_latency_seconds';
  expect(lines).toEqual([
    `${name}_bucket{le="0.001",result="success",${hash}} 0`,
    `${name}_bucket{le="0.005",result="success",${hash}} 1`,
    `${name}_bucket{le="10",result="success",${hash}} 1`,
    `${name}_count{result="success",${hash}} 2`,
  ]);
});
