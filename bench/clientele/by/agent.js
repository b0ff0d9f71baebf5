// `node agent.js PORT`: Node's client with a kept connection: uploads by length and in chunks in turn, then a download.
const crypto = require("crypto");
const http = require("http");

const port = Number(process.argv[2]);
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function ask(method, path, pieces, chunked) {
  return new Promise((resolve, reject) => {
    const headers = method === "POST" && !chunked ? { "Content-Length": Buffer.concat(pieces).length } : {};
    const request = http.request({ port, host: "127.0.0.1", method, path, agent, headers }, (response) => {
      const received = [];
      response.on("data", (piece) => received.push(piece));
      response.on("end", () => resolve({ status: response.statusCode, body: Buffer.concat(received), reused: request.reusedSocket }));
    });
    request.on("error", reject);
    for (const piece of pieces) request.write(piece);
    request.end();
  });
}

function must(holds, what) {
  if (!holds) throw new Error(what);
}

async function main() {
  for (let round = 0; round < 20; round += 1) {
    const pieces = Array.from({ length: 1 + (round % 5) }, (_, index) => crypto.randomBytes(1 + 9973 * index * round));
    const sent = Buffer.concat(pieces);
    const answer = await ask("POST", "/hash", pieces, round % 2 === 1);
    const told = JSON.parse(answer.body);
    must(answer.status === 200, `status ${answer.status}`);
    must(told.sha256 === crypto.createHash("sha256").update(sent).digest("hex"), "another body arrived");
    must(told.chunked === (round % 2 === 1), "another framing arrived");
    must(round === 0 || answer.reused, "the connection was not kept");
  }
  const file = await ask("GET", "/bytes/3000000", [], false);
  must(file.status === 200 && file.body.length === 3_000_000, "the download is short");
  must(file.body.every((byte, index) => byte === (index % 65_521) % 251), "the download differs");
  agent.destroy();
}

main().catch((error) => { console.error(error.message); process.exit(1); });
