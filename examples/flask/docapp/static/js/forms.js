// Forms that post to the API without leaving the page: busy state, refresh of what changed, refusals.

import { amount } from "./format.js";
import { newKey, Problem, Refusal, read, csrfToken, send, stream } from "./api.js";
import { openPaywall } from "./paywall.js";

const status = document.getElementById("status");

let fading;

/** A success goes by itself; an error stays until the next try. */
export function say(text, isError = false) {
  clearTimeout(fading);
  status.classList.toggle("bad", isError);
  status.textContent = text;
  if (text && !isError) fading = setTimeout(() => { status.textContent = ""; }, 6000);
}

/** Busy, yet focusable: a disabled button would lose the keyboard's place. */
export function setBusy(button, busy) {
  if (busy) button.dataset.idle = button.innerHTML;
  button.setAttribute("aria-busy", busy);
  button.setAttribute("aria-disabled", busy);
  if (busy) button.textContent = button.dataset.busy || "Working…";
  else button.innerHTML = button.dataset.idle;
}

/** Fetch the page again and swap the parts named by `selectors`. */
async function refresh(selectors, url) {
  const page = await (await fetch(url, { headers: { Accept: "text/html" } })).text();
  const fresh = new DOMParser().parseFromString(page, "text/html");
  for (const selector of selectors.split(",")) {
    const now = document.querySelector(selector);
    const then = fresh.querySelector(selector);
    if (now && then) now.replaceWith(then);
  }
}

function refreshUrl(answer) {
  const next = answer.url && new URL(answer.url, location.href);
  return next && next.pathname === location.pathname && next.search ? next : location.href;
}

/** What every submission shares: busy button, one key until it succeeds, refusal -> dialog. */
async function perform(form, button, work) {
  if (button.getAttribute("aria-busy") === "true") return;
  const field = form.elements.request_id;
  say("");
  setBusy(button, true);
  try {
    const answer = await work(field ? field.value : newKey());
    if (field) field.value = newKey();
    let message = answer.found === false ? form.dataset.nothing : form.dataset.done || "Done.";
    if (answer.cut) message = "No tokens are left for more: the answer ends there.";
    if (form.dataset.refresh) await refresh(form.dataset.refresh, refreshUrl(answer));
    if ("reset" in form.dataset && answer.found !== false) form.querySelector("textarea, input:not([type=hidden])").value = "";
    say(message);
    if (!button.isConnected) document.querySelector(form.dataset.refresh)?.querySelector("a, button")?.focus();
  } catch (error) {
    if (error instanceof Refusal) {
      setBusy(button, false);
      await openPaywall(error.detail, button);
    } else if (error instanceof Problem) say(error.message, true);
    else throw error;
  } finally {
    if (button.getAttribute("aria-busy") === "true") setBusy(button, false);
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!("ajax" in form.dataset)) return;
  event.preventDefault();
  if (form.dataset.lockedFor) {
    openPaywall(JSON.parse(form.dataset.lockedFor), event.submitter);
    return;
  }
  if (form.dataset.confirm && !window.confirm(form.dataset.confirm)) return;
  perform(form, event.submitter || form.querySelector("button"), async (key) => {
    const options = { method: "POST", body: new FormData(form), key };
    if (!("stream" in form.dataset)) return send(form.action, options);
    const live = showLive(form.elements.question.value);
    try {
      return await stream(form.action, live.heard, options);
    } finally {
      live.end();
    }
  });
});

// -- an answer while it is written

function showLive(question) {
  const article = document.getElementById("live");
  const text = article.querySelector("p");
  article.querySelector("h3").textContent = question;
  text.textContent = "";
  return {
    heard(name, data) {
      if (name === "reserved") {
        article.hidden = false;
        refresh("#room", location.href).catch(() => {}); // its bar shows what is reserved
      } else if (name === "sentence") text.append(`${data.text} `);
    },
    end() {
      article.hidden = true;
      refresh("#room", location.href).catch(() => {});
    },
  };
}

// -- upload, with the progress of the bytes

function sendFile(form, key, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("X-CSRF-Token", csrfToken());
    request.setRequestHeader("Idempotency-Key", key);
    request.upload.addEventListener("progress", (event) => onProgress(event.loaded, event.total));
    request.addEventListener("error", () => reject(new Problem("The upload was interrupted. Try again: it is charged once.")));
    request.addEventListener("load", () => {
      try {
        resolve(read(request.status, (name) => request.getResponseHeader(name), request.responseText));
      } catch (error) {
        reject(error);
      }
    });
    request.send(new FormData(form));
  });
}

export function initUpload(form) {
  const box = form.querySelector(".upload-progress");
  const bar = form.querySelector("#sent");
  const text = form.querySelector("#sent-text");
  const input = form.querySelector("input[type=file]");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    perform(form, form.querySelector("button[type=submit]"), async (key) => {
      box.hidden = false;
      try {
        const stored = await sendFile(form, key, (sent, total) => {
          const percent = total ? Math.round((100 * sent) / total) : 0;
          bar.value = percent;
          text.textContent = percent < 100 ? `${percent} %` : "Sent; reading and storing…";
        });
        form.dataset.done = `Stored “${stored.title}”: ${amount(stored.pages, "page")}, ${amount(stored.tokens, "token")}.`;
        input.value = "";
        return { title: stored.title };
      } finally {
        box.hidden = true;
        bar.value = 0;
        text.textContent = "0 %";
      }
    });
  });
  input.addEventListener("change", () => {
    form.elements.request_id.value = newKey(); // another file is another request
  });
  for (const type of ["dragenter", "dragover"]) {
    form.addEventListener(type, (event) => {
      event.preventDefault();
      form.classList.add("over");
    });
  }
  for (const type of ["dragleave", "drop"]) form.addEventListener(type, () => form.classList.remove("over"));
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) {
      input.files = event.dataTransfer.files;
      input.dispatchEvent(new Event("change"));
    }
  });
}
