// `node node.js PORT RECORDS`: Node's own HTTP server. Each request is recorded as one line and told in the answer.
const crypto = require("crypto");
const fs = require("fs");
const http = require("http");

const [port, records] = process.argv.slice(2);

const server = http.createServer((request, response) => {
  const hash = crypto.createHash("sha256");
  request.on("data", (piece) => hash.update(piece));
  request.on("error", () => {});
  request.on("end", () => {
    if (request.url.startsWith("/probe-")) {
      response.end(request.url);
      return;
    }
    const record = JSON.stringify({ method: request.method, target: request.url, sha256: hash.digest("hex") });
    fs.appendFileSync(records, record + "\n");
    response.end(record);
  });
});
server.keepAliveTimeout = 60_000;
server.listen(Number(port), "127.0.0.1");
