// What a pod of the tests is answered: asks all that it is told (JSON, in the first argument), at once, and prints the answers
// as JSON, in the same order. How it asks: http, https (also what certificate was shown), h2, upgrade, upgrades, grpc, grpcs, udp, dns.
import { createSocket } from 'node:dgram';
import { request } from 'node:http';
import { connect } from 'node:http2';
import { request as requestTls } from 'node:https';
import { connect as connectTcp } from 'node:net';

const WITHIN_MS = 4_000;
const textOf = (stream) =>
  new Promise((done, failed) => {
    let text = '';
    stream.setEncoding('utf8').on('data', (part) => {
      text += part;
    });
    stream.on('end', () => done(text.trim()));
    stream.on('error', failed);
  });

/** Of the headers that somebody wants to see. */
const shownOf = (headers, show = []) =>
  show
    .filter((name) => headers[name] !== undefined)
    .map((name) => ` ${name}: ${headers[name]}`)
    .join('');

function overHttp({ how, address, port, host = address, path = '/', headers = {}, ...more }) {
  const { method = 'GET', bytes = 0, show, withinMs = WITHIN_MS } = more;
  const isSecure = how === 'https' || how === 'upgrades';
  const upgrade = how.startsWith('upgrade') && { connection: 'Upgrade', upgrade: 'echo' };
  return new Promise((done, failed) => {
    const length = bytes > 0 && { 'content-length': bytes };
    const all = { host, ...headers, ...length, ...upgrade };
    const options = { host: address, port, path, method, headers: all, timeout: withinMs };
    const sent = (isSecure ? requestTls : request)({ ...options, servername: host, rejectUnauthorized: false });
    sent.on('response', (response) => {
      const shown = isSecure ? ` by ${response.socket.getPeerCertificate().subject.CN}` : '';
      const told = shownOf(response.headers, show);
      textOf(response).then((text) => done(`${response.statusCode} ${text}${shown}${told}`), failed);
    });
    sent.on('upgrade', (response, socket, head) => {
      let text = String(head);
      socket.on('data', (part) => {
        text += part;
        if (text.endsWith('hello')) socket.end();
      });
      socket.on('close', () => done(`${response.statusCode} ${text}`));
      socket.write('hello');
    });
    sent.on('timeout', () => sent.destroy(new Error('timeout')));
    sent.on('error', failed);
    sent.end(Buffer.alloc(bytes));
  });
}

const sessionTo = (address, port, host) =>
  connect(`https://${address}:${port}`, { servername: host, rejectUnauthorized: false });

function overHttp2({ address, port, host = address, path = '/' }) {
  return new Promise((done, failed) => {
    const session = sessionTo(address, port, host);
    session.on('error', failed);
    const stream = session.request({ ':path': path, ':authority': host });
    let status = '';
    stream.on('response', (headers) => {
      status = headers[':status'];
    });
    textOf(stream).then((text) => {
      session.close();
      done(`${status} ${text} over ${session.alpnProtocol}`);
    }, failed);
    stream.end();
  });
}

/** A health check. Source: gRPC health checking protocol. */
function overGrpc({ how, address, port, host = address, headers: more = {} }) {
  return new Promise((done, failed) => {
    const session = how === 'grpcs' ? sessionTo(address, port, host) : connect(`http://${address}:${port}`);
    session.on('error', failed);
    const headers = { ':method': 'POST', ':path': '/grpc.health.v1.Health/Check', ':authority': host };
    const stream = session.request({ ...headers, ...more, 'content-type': 'application/grpc', te: 'trailers' });
    let said = '';
    stream.on('response', (all) => {
      said = `${all[':status']} ${all['served-by'] ?? ''}`;
    });
    stream.on('trailers', (all) => {
      said += ` status ${all['grpc-status']}`;
    });
    stream.on('error', failed);
    stream.on('close', () => {
      session.close();
      done(said);
    });
    stream.resume();
    stream.end(Buffer.alloc(5));
  });
}

function overUdp({ address, port, from = 0 }) {
  return new Promise((done, failed) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    socket.on('message', (message) => {
      socket.close();
      done(String(message));
    });
    socket.on('error', failed);
    socket.bind(from, () => socket.send('?', port, address));
  });
}

const said = ({ type, data }) => {
  if (type === 'CNAME') return `-> ${data}`;
  return type === 'SRV' ? `${data.target}:${data.port}` : String(data);
};

/** `edns`: the size that it names. Without the search path: what stands in the name is asked. */
async function overDns({ address, port = 53, name, type = 'A', over = 'udp', edns }) {
  const { default: dnsPacket } = await import('./dns-packet.cjs');
  const additionals = edns ? [{ type: 'OPT', name: '.', udpPayloadSize: edns }] : [];
  const flags = dnsPacket.RECURSION_DESIRED;
  const asked = dnsPacket.encode({ id: 1, type: 'query', flags, questions: [{ name, type }], additionals });
  const answer = await (over === 'tcp' ? byStream(asked, { address, port }) : byPacket(asked, { address, port }));
  const { rcode, flag_tc: isCut, answers, additionals: more } = dnsPacket.decode(answer);
  const echoed = more.some(({ type: of }) => of === 'OPT') ? ' EDNS' : '';
  const cut = isCut ? ' TRUNCATED' : '';
  if (answers.length > 8) return `${rcode}${echoed}${cut} ${answers.length} answers`;
  return [`${rcode}${echoed}${cut}`, ...answers.map(said).sort()].join(' ');
}

function byPacket(message, { address, port }) {
  return new Promise((done, failed) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    socket.on('message', (answer) => {
      socket.close();
      done(answer);
    });
    socket.on('error', failed);
    socket.send(message, port, address);
  });
}

function byStream(message, { address, port }) {
  return new Promise((done, failed) => {
    const socket = connectTcp(port, address);
    let received = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < received.readUInt16BE(0) + 2) return;
      socket.destroy();
      done(received.subarray(2));
    });
    socket.on('error', failed);
    socket.on('close', () => failed(new Error('closed')));
    const length = Buffer.alloc(2);
    length.writeUInt16BE(message.length);
    socket.write(Buffer.concat([length, message]));
  });
}

const WAYS = { grpc: overGrpc, grpcs: overGrpc, udp: overUdp, dns: overDns, h2: overHttp2 };
const ask = (question) => (WAYS[question.how] ?? overHttp)(question);
const late = ({ withinMs = WITHIN_MS }) =>
  new Promise((_, failed) => setTimeout(failed, withinMs, new Error('timeout')));
const questions = JSON.parse(process.argv[2]);
const answers = questions.map((question) =>
  Promise.race([ask(question), late(question)]).catch((error) => error.code ?? error.message),
);
console.log(JSON.stringify(await Promise.all(answers)));
process.exit(0);
