// Requests to the data API, and their results: a response, an error, or no connection.

import { heldToken, otherToken } from "./token.js";

const MOST_BYTES = 32 << 20;

/** The sidecar is unreachable. */
export class Gone extends Error {}

/** The response is a problem (RFC 9457). */
export class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

const policy = globalThis.trustedTypes?.createPolicy("asking", {
  createScriptURL: () => "/console/asking.js",
});
const worker = new Worker(policy?.createScriptURL("") ?? "/console/asking.js", { type: "module" });
const waiting = new Map();
let last = 0;

worker.addEventListener("message", ({ data: { id, answer, gone } }) => {
  const { resolve, reject } = waiting.get(id);
  waiting.delete(id);
  if (gone) reject(new Gone());
  else resolve(answer);
});

/**
 * The response's status, headers, and up to `most` bytes of its body; `cut` if there are more. Asks
 * for the token if it is required, until it is right. Throws Gone and Refused.
 */
export async function ask(path, { method = "GET", most = MOST_BYTES } = {}) {
  for (;;) {
    const token = heldToken();
    const answer = await sent({ path, method, most, token });
    if (answer.status < 400) return answer;
    if (answer.status !== 401) throw new Refused(answer.status, detailOf(answer));
    await otherToken(token);
  }
}

function sent(request) {
  return new Promise((resolve, reject) => {
    last += 1;
    waiting.set(last, { resolve, reject });
    worker.postMessage({ id: last, ...request });
  });
}

/** The JSON of a response. */
export async function askJson(path, options) {
  return JSON.parse(new TextDecoder().decode((await ask(path, options)).body));
}

function detailOf({ status, body }) {
  try {
    return JSON.parse(new TextDecoder().decode(body)).detail;
  } catch {
    return `It answered with status ${status}.`;
  }
}
