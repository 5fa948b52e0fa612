/** A small OCI image archive made of Debian's static busybox: what the tests of the node run in their pods. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';

const APPLETS = [
  'sh',
  'cat',
  'echo',
  'sleep',
  'true',
  'false',
  'ls',
  'id',
  'env',
  'nc',
  'httpd',
  'wget',
  'stat',
  'stty',
];
const TOOLS = [
  ...APPLETS,
  'touch',
  'rm',
  'dd',
  'md5sum',
  'hostname',
  'kill',
  'nslookup',
  'ip',
  'head',
  'tail',
  'seq',
  'mkdir',
];

interface Blob {
  digest: string;
  bytes: Buffer;
}
const blob = (bytes: Buffer): Blob => ({
  digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`,
  bytes,
});
const json = (value: unknown): Blob => blob(Buffer.from(JSON.stringify(value)));
const descriptor = ({ digest, bytes }: Blob, mediaType: string) => ({ mediaType, digest, size: bytes.length });

/** @returns the archive; the image answers to `name`, e.g. `kedge.local/busybox:1`. */
export async function busyboxImage(name: string, config: { Cmd: string[]; User?: string }): Promise<Buffer> {
  const layer = blob(await layerTar());
  const oci = 'application/vnd.oci.image';
  const configuration = json({
    architecture: 'amd64',
    os: 'linux',
    config: { Env: ['PATH=/bin'], WorkingDir: '/', ...config },
    rootfs: { type: 'layers', diff_ids: [layer.digest] },
  });
  const manifest = json({
    schemaVersion: 2,
    mediaType: `${oci}.manifest.v1+json`,
    config: descriptor(configuration, `${oci}.config.v1+json`),
    layers: [descriptor(layer, `${oci}.layer.v1.tar`)],
  });
  const annotations = { 'io.containerd.image.name': name };
  const manifests = [{ ...descriptor(manifest, `${oci}.manifest.v1+json`), annotations }];
  const index = json({ schemaVersion: 2, manifests });
  const archive = pack();
  archive.entry({ name: 'oci-layout' }, JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  archive.entry({ name: 'index.json' }, index.bytes);
  for (const { digest, bytes } of [layer, configuration, manifest])
    archive.entry({ name: `blobs/sha256/${digest.slice(7)}` }, bytes);
  archive.finalize();
  return buffer(archive);
}

async function layerTar(): Promise<Buffer> {
  const layer = pack();
  for (const name of ['bin', 'etc', 'dev', 'proc', 'sys', 'run', 'root']) layer.entry({ name, type: 'directory' });
  layer.entry({ name: 'tmp', type: 'directory', mode: 0o1777 });
  layer.entry({ name: 'etc/passwd' }, 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n');
  layer.entry({ name: 'etc/group' }, 'root:x:0:\nuser:x:1000:\n');
  layer.entry({ name: 'bin/busybox', mode: 0o755 }, await readFile('/bin/busybox'));
  for (const tool of TOOLS) layer.entry({ name: `bin/${tool}`, type: 'symlink', linkname: 'busybox' });
  layer.finalize();
  return buffer(layer);
}
