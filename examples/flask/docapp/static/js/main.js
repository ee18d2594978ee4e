// Starts what the page has: guarded controls, the upload form, similar passages.

import { send } from "./api.js";
import { initUpload, say } from "./forms.js";

/** Mark controls whose feature the plan does not give, as /api/user/me says. The server decides all the same. */
async function guardControls() {
  const guarded = () => [...document.querySelectorAll("form[data-needs]")];
  if (!guarded().length) return;
  const me = await send("/api/user/me");
  const apply = () => {
    for (const form of guarded()) {
      const feature = form.dataset.needs;
      if (me.quota.features[feature]?.allowed || form.dataset.lockedFor) continue;
      form.dataset.lockedFor = JSON.stringify({
        code: "not_entitled", subject: me.subject, feature, requested: 1, remaining: 0, allowance: 0,
        used: 0, plan: null, blocked_by: null, resets_at: null, retry_after: null,
      });
      const note = document.createElement("span");
      note.className = "lock";
      note.textContent = `Not in ${me.quota.plan.title}`;
      form.append(note);
      const button = form.querySelector("button");
      button.setAttribute("aria-haspopup", "dialog");
      note.id = `lock-${feature}`;
      button.setAttribute("aria-describedby", note.id);
    }
  };
  apply();
  new MutationObserver(apply).observe(document.getElementById("main"), { childList: true, subtree: true });
}

/** A tall map shows its root first, which stands half-way down. */
function centreMap() {
  const map = document.querySelector(".map:not([data-centred])");
  if (!map) return;
  map.dataset.centred = "";
  map.scrollTop = (map.scrollHeight - map.clientHeight) / 2;
}

async function toggleSimilar(button) {
  const box = button.nextElementSibling;
  const open = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", !open);
  box.hidden = open;
  if (open || box.childElementCount) return;
  try {
    const { similar } = await send(button.dataset.similar);
    const list = document.createElement("ul");
    for (const row of similar) {
      const item = document.createElement("li");
      const link = Object.assign(document.createElement("a"), { href: row.url, textContent: row.title });
      const where = document.createElement("span");
      where.className = "where";
      where.textContent = ` ${row.heading || `page ${row.page}`} · ${Math.round(100 * Math.max(row.cosine, 0))} % alike`;
      const text = document.createElement("p");
      text.textContent = `${row.text}…`;
      item.append(link, where, text);
      list.append(item);
    }
    if (!similar.length) list.append(Object.assign(document.createElement("li"), { textContent: "No other passage has been compared yet." }));
    box.replaceChildren(list);
  } catch (error) {
    box.hidden = true;
    button.setAttribute("aria-expanded", false);
    say(error.message, true);
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-similar]");
  if (button) toggleSimilar(button);
});

centreMap();
new MutationObserver(centreMap).observe(document.getElementById("main"), { childList: true });

const upload = document.getElementById("upload");
if (upload) initUpload(upload);
if ("signedIn" in document.body.dataset) guardControls();
