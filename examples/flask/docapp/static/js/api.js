// Requests to our own API: CSRF header, JSON answers, and refusals as exceptions of their own kind.

/** The paywall said no: `detail` is the body, with exactly the keys of quota's DETAIL. */
export class Refusal extends Error {
  constructor(status, detail, retryAfter) {
    super(detail.code);
    this.status = status;
    this.detail = detail;
    this.retryAfter = retryAfter;
  }
}

/** Anything else that went wrong; `message` is for a person. */
export class Problem extends Error {}

export function csrfToken() {
  return document.querySelector('meta[name="csrf-token"]').content;
}

/** A new idempotency key: one for each thing a person wants done, the same for its retries. */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}

/** Status, header reader and text of an answer -> its body, or a Refusal or Problem thrown. */
export function read(status, header, text) {
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    throw new Problem("The server gave no answer that could be read. Try again.");
  }
  if (status < 400) return body;
  if (body.feature && "requested" in body) throw new Refusal(status, body, header("Retry-After"));
  throw new Problem(body.message || "That was not done.");
}

async function request(url, accept, { method = "GET", body, key } = {}) {
  const headers = { Accept: accept };
  if (method !== "GET") headers["X-CSRF-Token"] = csrfToken();
  if (key) headers["Idempotency-Key"] = key;
  try {
    return await fetch(url, { method, body, headers, credentials: "same-origin" });
  } catch {
    throw new Problem("The server could not be reached. Nothing is lost: try again.");
  }
}

const whole = async (response) => read(response.status, (name) => response.headers.get(name), await response.text());

export async function send(url, options) {
  return whole(await request(url, "application/json", options));
}

/** As send(), for an answer that comes in server-sent events: `heard(name, data)` for each, the last one's data
 * is returned.  A refusal comes before any event, a replayed answer without events: both as send() has them. */
export async function stream(url, heard, options) {
  const response = await request(url, "text/event-stream", options);
  if (!response.headers.get("Content-Type").startsWith("text/event-stream")) return whole(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read().catch(() => ({ done: true }));
    if (done) throw new Problem("The answer broke off. What was written is charged.");
    text += value;
    const parts = text.split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const [, name, json] = part.match(/^event: (.*)\ndata: (.*)$/);
      const data = JSON.parse(json);
      if (name === "done") return data;
      if (name === "failed") throw new Problem(data.message);
      heard(name, data);
    }
  }
}
