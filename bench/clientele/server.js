// `node server.js PORT`: what the clients talk to. /bytes/COUNT and /chunks/COUNT give so many known bytes, /hash tells the length and the hash of
// what was sent, /page holds a script that uses a WebSocket and server-sent events and reports to /verdict.
const crypto = require("crypto");
const http = require("http");

const PIECE = Buffer.alloc(65_521, (_ => Array.from({ length: 251 }, (_, index) => String.fromCharCode(index)).join(""))(), "latin1");
const WEBSOCKET_KEY = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const PAGE = `<!doctype html><title>waiting</title><script>
const told = { events: [] };
const report = () => told.echo && told.events.length === 3
  && fetch("/verdict", { method: "POST", body: JSON.stringify(told) }).then((answer) => answer.text()).then((text) => { document.title = text; });
const socket = new WebSocket("ws://" + location.host + "/socket");
socket.onopen = () => socket.send("through the tunnel");
socket.onmessage = (event) => { told.echo = event.data; report(); };
const source = new EventSource("/events");
source.onmessage = (event) => { told.events.push(event.data); if (told.events.length === 3) { source.close(); report(); } };
</script>`;

function bytes(request, response, left, fields) {
  response.writeHead(200, fields);
  const more = () => {
    while (left > 0) {
      const piece = PIECE.subarray(0, Math.min(left, PIECE.length));
      left -= piece.length;
      if (!response.write(piece)) return response.once("drain", more);
    }
    response.end();
  };
  if (request.method === "HEAD") response.end(); else more();
}

function hash(request, response) {
  const hash = crypto.createHash("sha256");
  let length = 0;
  request.on("data", (piece) => { hash.update(piece); length += piece.length; });
  request.on("end", () => response.end(JSON.stringify({ length, sha256: hash.digest("hex"), chunked: "transfer-encoding" in request.headers, port: request.socket.remotePort })));
}

function events(response) {
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  let number = 0;
  // One at a time: an event that is held back until the next one comes would never be seen.
  const timer = setInterval(() => {
    response.write(`data: event ${number += 1}\n\n`);
    if (number === 3) clearInterval(timer);
  }, 50);
  response.on("close", () => clearInterval(timer));
}

const server = http.createServer((request, response) => {
  const [, first, second] = request.url.split("/");
  if (first === "bytes") return bytes(request, response, Number(second), { "Content-Length": second });
  if (first === "chunks") return bytes(request, response, Number(second), {});
  if (first === "hash") return hash(request, response);
  if (first === "events") return events(response);
  if (first === "page") return response.writeHead(200, { "Content-Type": "text/html" }).end(PAGE);
  if (first === "verdict") {
    request.setEncoding("utf8");
    let text = "";
    return request.on("data", (piece) => { text += piece; }).on("end", () => {
      process.stdout.write(`verdict ${text}\n`);
      response.end("told");
    });
  }
  response.writeHead(404).end("absent");
});

server.on("upgrade", (request, socket) => {
  const accept = crypto.createHash("sha1").update(request.headers["sec-websocket-key"] + WEBSOCKET_KEY).digest("base64");
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  let held = Buffer.alloc(0);
  socket.on("error", () => {});
  socket.on("data", (piece) => {
    held = Buffer.concat([held, piece]);
    // One short masked text frame is all that the page sends.
    const length = held.length > 1 ? held[1] & 0x7f : 0;
    if (held.length < 2 || held.length < 6 + length) return;
    const text = Buffer.from(held.subarray(6, 6 + length)).map((byte, index) => byte ^ held[2 + (index % 4)]);
    held = held.subarray(6 + length);
    socket.write(Buffer.concat([Buffer.from([0x81, text.length]), text]));
  });
});

server.keepAliveTimeout = 60_000;
server.listen(Number(process.argv[2]), "127.0.0.1");
