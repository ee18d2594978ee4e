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

export async function send(url, { method = "GET", body, key } = {}) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-CSRF-Token"] = csrfToken();
  if (key) headers["Idempotency-Key"] = key;
  let response;
  try {
    response = await fetch(url, { method, body, headers, credentials: "same-origin" });
  } catch {
    throw new Problem("The server could not be reached. Nothing is lost: try again.");
  }
  return read(response.status, (name) => response.headers.get(name), await response.text());
}
