// Node's module http.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import http from "node:http";

const origin = process.argv[2];
const agent = new http.Agent({ keepAlive: true });
for (const line of readFileSync(0, "utf8").split("\n")) {
  const [method, path, body, ...fields] = line.split("\t");
  const headers = Object.fromEntries(fields.map((field) => field.split(": ")));
  if (body && !headers["Transfer-Encoding"]) headers["Content-Length"] = Buffer.byteLength(body);
  const request = http.request(origin + path, { method, headers, agent });
  const answered = once(request, "response");
  if (headers.Expect) await once(request, "continue");
  request.end(body);
  const [answer] = await answered;
  let text = "";
  for await (const part of answer.setEncoding("utf8")) text += part;
  const told = Object.entries(answer.headers).map((header) => header.join(": "));
  console.log([answer.statusCode, text, ...told].join("\t"));
}
agent.destroy();
