/** A registry in a node's own network, on its loopback, that answers nothing, or with bytes that are not what they should be. */
import { type ChildProcess, spawn } from 'node:child_process';

/** `localhost:5999/hangs…` never answers; of `localhost:5999/broken:1` the layer's bytes are others than its digest says. */
const REGISTRY = `
process.stdin.resume().on('end', () => process.exit()); // with who started it
const { createServer } = require('node:http'), { createHash } = require('node:crypto');
const digestOf = (bytes) => 'sha256:' + createHash('sha256').update(bytes).digest('hex');
const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: [digestOf('a')] } }));
const layer = Buffer.from('this is no layer');
const manifest = Buffer.from(JSON.stringify({
  schemaVersion: 2,
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digestOf(config), size: config.length },
  layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: digestOf('another'), size: layer.length }],
}));
createServer((request, response) => {
  if (request.url.startsWith('/v2/hangs')) return console.log('asked');
  if (request.url === '/v2/') return response.end('{}');
  const isManifest = request.url.includes('/manifests/');
  const body = isManifest ? manifest : request.url.endsWith(digestOf(config)) ? config : layer;
  response.writeHead(200, {
    'content-type': isManifest ? 'application/vnd.oci.image.manifest.v1+json' : 'application/octet-stream',
    'content-length': body.length,
    ...(isManifest && { 'docker-content-digest': digestOf(manifest) }),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}).listen(5999, '127.0.0.1', () => console.log('listening'));
`;

/** @param pid of a process of the node */
export async function startBadRegistry(pid: number): Promise<ChildProcess> {
  const argv = ['--net', '--target', String(pid), process.execPath, '-e', REGISTRY];
  const child = spawn('nsenter', argv, { stdio: ['pipe', 'pipe', 'inherit'] });
  await new Promise((listening) => child.stdout.once('data', listening));
  return child;
}
