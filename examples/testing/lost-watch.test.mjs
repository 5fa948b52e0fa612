// A controller against a lost watch: here one of the cluster's own. What it missed it has to find out by itself.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kinds, startCluster } from 'kedge/testing';

const REPLICAS = 3;

test('a ReplicaSet is made whole again, though nobody told its controller', async () => {
  const cluster = await startCluster({ controllers: ['replicaset-controller'], scheduler: false });
  try {
    const labels = { app: 'web' };
    await cluster.create(kinds.ReplicaSet, {
      metadata: { name: 'web', namespace: 'default' },
      spec: {
        replicas: REPLICAS,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'web', image: 'example/web:1' }] } },
      },
    });
    await cluster.settles();
    assert.equal(cluster.list(kinds.Pod).length, REPLICAS);

    // The watch breaks off, and nobody lets it back in. Meanwhile a pod goes.
    const refused = cluster.faults.fail({ verb: 'watch', resource: 'pods' });
    cluster.faults.dropWatch({ resource: 'pods' }, 'lost');
    const [victim] = cluster.list(kinds.Pod);
    await cluster.delete(kinds.Pod, victim.metadata, { gracePeriodSeconds: 0 });
    await cluster.clock.advance('10s');
    assert.equal(cluster.list(kinds.Pod).length, REPLICAS - 1);
    assert.ok(refused.hits > 1, 'it tries again and again');

    refused.end();
    await cluster.clock.advance('1m');
    assert.equal(cluster.list(kinds.Pod).length, REPLICAS);
  } finally {
    await cluster[Symbol.asyncDispose]();
  }
});
