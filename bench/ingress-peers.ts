/** nginx and haproxy as one would set them up for the same job: one process, connections kept on both sides, who asks told on. */
import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '#testing/free-port.ts';
import type { Bench } from './bench.ts';

export interface Peer {
  name: string;
  port: number;
  pid: number;
}

const WITHIN_MS = 10_000;
const KEPT = 1024;
const FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/usr/bin'];

/** Those that are installed here. */
export async function startPeers(bench: Bench, backendPort: number, host: string): Promise<Peer[]> {
  const peers: Peer[] = [];
  for (const { name, text, args } of [
    {
      name: 'nginx',
      text: nginxText,
      args: (file: string, folder: string) => ['-c', file, '-p', folder, '-e', 'stderr'],
    },
    { name: 'haproxy', text: haproxyText, args: (file: string) => ['-db', '-q', '-f', file] },
  ]) {
    const program = FOLDERS.map((folder) => join(folder, name)).find(isThere);
    if (!program) {
      bench.say(`${name} is not installed here (apt-get install ${name}): no figures beside ours`);
      continue;
    }
    const folder = await bench.folder();
    const port = await freePort();
    const file = join(folder, `${name}.conf`);
    await writeFile(file, text({ port, backendPort, host, folder }));
    const child = spawn(program, args(file, folder), { stdio: ['ignore', 'ignore', 'inherit'] });
    bench.atEnd(() => child.kill('SIGKILL'));
    await listening(port);
    peers.push({ name, port, pid: child.pid ?? 0 });
  }
  return peers;
}

interface Job {
  port: number;
  backendPort: number;
  host: string;
  folder: string;
}

const nginxText = ({ port, backendPort, host, folder }: Job): string => `
daemon off; master_process off; worker_processes 1; worker_rlimit_nofile 8192; pid ${folder}/pid;
error_log stderr crit;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 100000000; client_body_temp_path ${folder}; proxy_temp_path ${folder};
  fastcgi_temp_path ${folder}; uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
  upstream backend { server 127.0.0.1:${backendPort}; keepalive ${KEPT}; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port}; server_name ${host};
    location / {
      proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $http_host; proxy_set_header X-Request-ID $request_id; proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Port $server_port; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Scheme $scheme; proxy_set_header X-Scheme $scheme;
    }
  }
}
`;

const haproxyText = ({ port, backendPort, host }: Job): string => `
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend web
  bind 127.0.0.1:${port}
  http-request set-header X-Request-ID %[uuid()]
  http-request set-header X-Real-IP %[src]
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Forwarded-Port %[dst_port]
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Scheme http
  http-request set-header X-Scheme http
  use_backend pods if { req.hdr(host) -i ${host} }
backend pods
  server pod 127.0.0.1:${backendPort} pool-max-conn ${KEPT}
`;

function isThere(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function listening(port: number): Promise<void> {
  for (const deadline = performance.now() + WITHIN_MS; performance.now() < deadline; await delay(20)) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect({ port, host: '127.0.0.1' });
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (isOpen) return;
  }
  throw new Error(`nobody listens on ${port}`);
}
