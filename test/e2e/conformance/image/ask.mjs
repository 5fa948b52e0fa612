// What a pod of the tests is answered: asks all that it is told (JSON, in the first argument), at once, and prints the answers
// as JSON, in the same order. How it asks: http, https (also what certificate was shown), upgrade, grpc, udp.
import { createSocket } from 'node:dgram';
import { request } from 'node:http';
import { connect } from 'node:http2';
import { request as requestTls } from 'node:https';

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

function overHttp({ how, address, port, host = address, path = '/', headers = {} }) {
  const isSecure = how === 'https';
  const upgrade = how === 'upgrade' && { connection: 'Upgrade', upgrade: 'echo' };
  return new Promise((done, failed) => {
    const options = { host: address, port, path, headers: { host, ...headers, ...upgrade }, timeout: WITHIN_MS };
    const sent = (isSecure ? requestTls : request)({ ...options, servername: host, rejectUnauthorized: false });
    sent.on('response', (response) => {
      const shown = isSecure ? ` by ${response.socket.getPeerCertificate().subject.CN}` : '';
      textOf(response).then((text) => done(`${response.statusCode} ${text}${shown}`), failed);
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
    sent.end();
  });
}

/** A health check. Source: gRPC health checking protocol. */
function overGrpc({ address, port, host = address }) {
  return new Promise((done, failed) => {
    const session = connect(`http://${address}:${port}`);
    session.on('error', failed);
    const headers = { ':method': 'POST', ':path': '/grpc.health.v1.Health/Check', ':authority': host };
    const stream = session.request({ ...headers, 'content-type': 'application/grpc', te: 'trailers' });
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

const ask = (question) => {
  if (question.how === 'grpc') return overGrpc(question);
  return question.how === 'udp' ? overUdp(question) : overHttp(question);
};
const late = () => new Promise((_, failed) => setTimeout(failed, WITHIN_MS, new Error('timeout')));
const questions = JSON.parse(process.argv[2]);
const answers = questions.map((question) =>
  Promise.race([ask(question), late()]).catch((error) => error.code ?? error.message),
);
console.log(JSON.stringify(await Promise.all(answers)));
process.exit(0);
