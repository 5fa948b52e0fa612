/**
 * GET /logs/…: the node's logs as files, as upstream serves its /var/log: `pods/` holds those of its containers. Links are not
 * followed. Source: kubelet, "/logs/" of its debugging handlers.
 */
import { createReadStream, constants } from 'node:fs';
import { lstat, open, readdir, realpath } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { join, normalize } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { HttpError } from './http-error.ts';

/** @param path what stands behind `/logs/`, decoded. @param folder of the containers' logs */
export async function serveNodeLogs(path: string, folder: string, response: ServerResponse): Promise<void> {
  const clean = normalize(`/${path}`);
  if (clean === '/') return sendListing(['pods/'], response);
  const [, first = '', ...rest] = clean.split('/');
  if (first !== 'pods') throw notFound();
  const place = join(folder, ...rest);
  const stats = await lstat(place).catch(() => undefined);
  // A link on the way would lead out of the folder.
  if (!stats || (await realpath(place)) !== join(await realpath(folder), ...rest)) throw notFound();
  if (stats.isDirectory()) {
    if (!clean.endsWith('/')) return redirect(`${first === clean.slice(1) ? 'pods' : rest.at(-1)}/`, response);
    const entries = await readdir(place, { withFileTypes: true });
    return sendListing(entries.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name)).sort(), response);
  }
  if (!stats.isFile()) throw notFound();
  response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': stats.size });
  // What is written meanwhile is not sent: its length was told.
  const end = stats.size - 1;
  if (stats.size === 0) response.end();
  else
    await pipeline(
      createReadStream('', { fd: await open(place, constants.O_RDONLY | constants.O_NOFOLLOW), end }),
      response,
    );
}

const notFound = (): HttpError => new HttpError(404, '404 page not found');

function redirect(location: string, response: ServerResponse): void {
  response.writeHead(301, { Location: location }).end();
}

function sendListing(names: readonly string[], response: ServerResponse): void {
  const lines = names.map((name) => `<a href="${encodeURI(name)}">${escaped(name)}</a>\n`);
  const body = `<!doctype html>\n<meta name="viewport" content="width=device-width">\n<pre>\n${lines.join('')}</pre>\n`;
  response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#39;' };
const escaped = (text: string): string => text.replace(/[&<>"']/g, (sign) => ESCAPES[sign] ?? '');
