// Standard input and output over a WebSocket, whose address is the argument. Another make's client,
// with nothing of ours in it: node --experimental-websocket websocket_pipe.mjs ws://…
const socket = new WebSocket(process.argv[2]);
socket.binaryType = "arraybuffer";
socket.onmessage = ({ data }) => process.stdout.write(new Uint8Array(data));
socket.onclose = ({ code }) => process.exit(code === 1000 || code === 1001 ? 0 : 1);
socket.onerror = ({ error }) => {
  console.error(String(error?.cause ?? error));
  process.exit(1);
};
socket.onopen = async () => {
  for await (const chunk of process.stdin) {
    // In pieces that are no frames of anybody's: where a message ends means nothing.
    for (let start = 0; start < chunk.length; start += 50021) {
      socket.send(chunk.subarray(start, start + 50021));
    }
    while (socket.bufferedAmount > 1 << 20) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
  socket.close(1000);
};
