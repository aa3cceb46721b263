// The fetch that Node has built in.
import { readFileSync } from "node:fs";

const origin = process.argv[2];
for (const line of readFileSync(0, "utf8").split("\n")) {
  const [method, path, body, ...headers] = line.split("\t");
  const chunked = headers.indexOf("Transfer-Encoding: chunked");
  if (chunked >= 0) headers.splice(chunked, 1);
  const answer = await fetch(origin + path, {
    method,
    headers: headers.map((header) => header.split(": ")),
    body: chunked >= 0 ? new Blob([body]).stream() : body || null,
    duplex: "half",
  });
  const told = [...answer.headers].map((header) => header.join(": "));
  console.log([answer.status, await answer.text(), ...told].join("\t"));
}
