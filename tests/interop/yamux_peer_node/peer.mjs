// A Yamux peer of yamux-js for the tests, told what to do by lines of JSON on stdin.
//
//   node peer.mjs FOLDER dial PORT OPTIONS    is the Yamux client of that port on 127.0.0.1
//   node peer.mjs FOLDER listen 0 OPTIONS     prints {"port": …}, then is the Yamux server of one
//                                             connection
//
// FOLDER is where node_modules is. OPTIONS, commands and answers are those of ../yamux_peer_go, as
// far as yamux-js has the means; "refused" waits until the other side's go-away has been seen.
import { createCipheriv, createHash } from 'node:crypto';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

const [folder, role, port, text] = process.argv.slice(2);
const yamux = createRequire(`${folder}/`)('yamux-js');
const options = JSON.parse(text);
const PIECE = 64 * 1024;
const READ = 16 * 1024; // more would raise the stream's own mark, which yamux-js takes for a window

const streams = new Map();
const failures = new Map(); // of streams by id, and of the session by 0
const accepted = [];
let awaited = []; // those who wait for a stream to accept
let onStream = (stream) => {
  accepted.push(stream);
  awaited.splice(0, 1).forEach((wake) => wake());
};

const tell = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

const failed = (id) => {
  if (failures.has(id)) throw failures.get(id);
};

const kept = (stream) => {
  stream.on('error', (error) => failures.set(stream.ID(), error));
  streams.set(stream.ID(), stream);
  return { stream: stream.ID() };
};

const connect = async () => {
  if (role === 'dial') return net.connect(Number(port), '127.0.0.1');
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  tell({ port: server.address().port });
  const [socket] = await once(server, 'connection');
  server.close();
  return socket;
};

const send = (stream, data) => new Promise((sent) => stream.write(data, sent));

const changed = (stream) =>
  new Promise((resolve) => {
    const done = () => {
      stream.off('readable', done).off('close', done);
      resolve();
    };
    stream.on('readable', done).on('close', done);
  });

// Gives the next bytes, at most so many.
const receive = async (stream, most) => {
  for (;;) {
    const chunk = stream.read(Math.min(most, READ, stream.readableLength) || undefined);
    if (chunk) return chunk;
    failed(stream.ID());
    // Also before: the connection may have ended before the command to read was heard.
    if (!stream.destroyed) await changed(stream);
    if (stream.destroyed) throw new Error('the stream was destroyed');
  }
};

const pingpongOne = async (number, size) => {
  const stream = session.open();
  kept(stream);
  const sent = Buffer.alloc(size, number % 256);
  await send(stream, sent);
  const got = [];
  for (let left = size; left > 0; left -= got.at(-1).length) got.push(await receive(stream, left));
  stream.close();
  stream.close(); // the second one is what takes it out of the session's table
  if (!sent.equals(Buffer.concat(got))) throw new Error(`stream ${stream.ID()} gave something else`);
};

const commands = {
  open() {
    failures.delete(0);
    const stream = session.open();
    failed(0);
    return kept(stream);
  },
  async accept() {
    while (!accepted.length) await new Promise((wake) => awaited.push(wake));
    return kept(accepted.shift());
  },
  echo() {
    onStream = (stream) => {
      kept(stream);
      stream.on('data', (data) => stream.write(data));
    };
  },
  async write({ stream: id, size, seed }) {
    const stream = streams.get(id);
    const key = Buffer.alloc(16);
    key.writeUInt32BE(seed);
    const source = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
    const hash = createHash('sha256');
    for (let left = size; left > 0; left -= PIECE) {
      const piece = source.update(Buffer.alloc(Math.min(left, PIECE)));
      const error = await send(stream, piece);
      if (error) throw error;
      failed(id);
      hash.update(piece);
    }
    return { size, hash: hash.digest('hex') };
  },
  async read({ stream: id, size }) {
    const hash = createHash('sha256');
    let got = 0;
    while (got < size) {
      const chunk = await receive(streams.get(id), size - got);
      hash.update(chunk);
      got += chunk.length;
    }
    return { size: got, hash: hash.digest('hex'), ended: false };
  },
  close({ stream: id }) {
    streams.get(id).close();
  },
  state({ stream: id }) {
    return { state: streams.get(id).state, buffered: streams.get(id).readableLength };
  },
  async pingpong({ count, size }) {
    const worker = async (first) => {
      for (let number = first; number < count; number += 64) await pingpongOne(number, size);
    };
    await Promise.all(Array.from({ length: 64 }, (_, first) => worker(first)));
    return { count };
  },
  async ping() {
    session.ping();
    while (session.pings.size) await delay(1);
  },
  go_away() {
    session.goAway(0);
  },
  async refused() {
    while (!session.remoteGoAway) await delay(1);
  },
  shutdown() {
    session.close();
  },
  async closed() {
    while (!session.isClosed()) await delay(1);
    failed(0);
  },
};

const socket = await connect();
socket.setNoDelay(true);
const config = {
  acceptBacklog: options.backlog,
  enableKeepAlive: options.keepalive > 0,
  keepAliveInterval: options.keepalive,
  connectionWriteTimeout: options.timeout,
  logger: () => {},
};
const session = role === 'dial' ? new yamux.Client(config) : new yamux.Server(undefined, config);
session.onStream = (stream) => onStream(stream); // its Client takes none when it is made
session.on('error', (error) => failures.set(0, error));
socket.on('error', () => {});
socket.on('close', () => session.close()); // nothing in yamux-js does
// Not by socket.pipe(session): the session tells even a refused stream as an error of its own, and
// a pipe takes its destination's first error for the end.
socket.on('data', (data) => session.isClosed() || session.write(data));
session.pipe(socket);

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  (async () => commands[command.op](command))()
    .then((result) => tell({ id: command.id, ...result }))
    .catch((error) => tell({ id: command.id, error: error.message }));
}
process.exit(0);
