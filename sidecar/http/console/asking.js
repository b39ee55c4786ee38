// The worker that sends requests. In a page, every failed connection is an error in the browser's
// log, two per second while the sidecar is unreachable; in a worker it is only an exception.

const PATIENCE_MS = 5000;

// A range is one of the value as it was put, not compressed, so that Content-Length is its size. All
// of it is sent, since no version has that ETag. A page can't set Accept-Encoding.
const AS_PUT = { Range: "bytes=0-", "If-Range": '"0"' };

addEventListener("message", async ({ data: { id, ...request } }) => {
  try {
    postMessage({ id, answer: await asked(request) });
  } catch {
    postMessage({ id, gone: true });
  }
});

async function asked({ path, method, most, token }) {
  const headers = token === null ? AS_PUT : { ...AS_PUT, Authorization: `Bearer ${token}` };
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), PATIENCE_MS);
  try {
    const { signal } = stop;
    const answer = await fetch(path, { method, headers, cache: "no-store", signal });
    const { body, cut } = await upTo(most, answer);
    if (cut) stop.abort();
    return { status: answer.status, headers: Object.fromEntries(answer.headers), body, cut };
  } finally {
    clearTimeout(timer);
  }
}

/** The first bytes of a response, since a value may be large. */
async function upTo(most, answer) {
  const chunks = [];
  let size = 0;
  const reader = answer.body?.getReader();
  while (reader !== undefined && size <= most) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    size += value.length;
  }
  const body = new Uint8Array(await new Blob(chunks).slice(0, most).arrayBuffer());
  return { body, cut: size > most };
}
