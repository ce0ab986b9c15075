// Receives notices: verify, skip what was seen, keep it, then say yes.
//
//   WEBHOOK_SECRET=whsec_… node receiver.mjs 8000

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const key = Buffer.from(process.env.WEBHOOK_SECRET.replace("whsec_", ""), "base64");
const seen = new Set(); // yours is a unique key of a table

function isGenuine(headers, body) {
  const { "webhook-id": id, "webhook-timestamp": at, "webhook-signature": signatures } = headers;
  if (!signatures || !(Math.abs(Date.now() / 1000 - Number(at)) < 300)) return false;
  const wanted = createHmac("sha256", key).update(`${id}.${at}.`).update(body).digest();
  return signatures.split(" ").some((signature) => {
    const given = Buffer.from(signature.replace("v1,", ""), "base64");
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  });
}

createServer(async (request, response) => {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  const body = Buffer.concat(pieces);
  if (!isGenuine(request.headers, body)) return response.writeHead(401).end();
  const event = JSON.parse(body);
  if (!seen.has(event.id)) {
    console.log(event.subscriptionsequence, event.data.ward, event.data.kind);
    seen.add(event.id);
  }
  response.writeHead(204).end();
}).listen(Number(process.argv[2]), "127.0.0.1");
