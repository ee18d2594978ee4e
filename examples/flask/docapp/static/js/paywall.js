// The paywall dialog: what is left, when it renews, which plan would allow it.
//
// <dialog>.showModal() makes the rest of the page inert and closes on Escape; Tab is kept inside here, and
// the focus goes back to where it came from.

import { send } from "./api.js";
import { amount, moment, price } from "./format.js";

const dialog = document.getElementById("paywall");
const part = (name) => document.getElementById(`paywall-${name}`);

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Is it the member's own limit that stopped them, and not the plan? */
const isOwnLimit = (detail) => Boolean(detail.blocked_by) && detail.blocked_by === detail.subject;

function title(detail, feature) {
  if (detail.code === "not_entitled") return `${feature.title}: not in your plan`;
  if (detail.code === "subscription_inactive") return "Your plan is not active";
  if (detail.code === "rate_limited") return "A little slower, please";
  if (detail.code === "upload_too_large") return "This file is too large for your plan";
  return `${feature.title}: ${isOwnLimit(detail) ? "your limit" : "the limit of your plan"} is reached`;
}

/** "310 of 8,000 tokens", "1.2 MB of 2 MB" */
function ofAllowance(part, detail, unit) {
  return `${amount(part, unit === "byte" ? unit : null)} of ${amount(detail.allowance, unit)}`;
}

function sentences(detail, feature) {
  const unit = feature.unit;
  if (detail.code === "not_entitled") return ["Nothing was charged. A bigger plan has it:"];
  if (detail.code === "subscription_inactive") return ["It works again as soon as the payment is settled. Nothing was charged."];
  if (detail.code === "upload_too_large") {
    return [`It has ${amount(detail.requested, unit)}; your plan takes files of up to ${amount(detail.allowance, unit)}. Nothing was stored or charged.`];
  }
  if (detail.code === "rate_limited") {
    return [detail.retry_after ? `Try again in ${amount(detail.retry_after, "second")}. Nothing was charged.` : "Nothing was charged."];
  }
  const told = detail.remaining === 0
    ? [`All ${amount(detail.allowance, unit)} are used. Nothing was stored or charged.`]
    : [`This needs ${amount(detail.requested, unit)}; ${ofAllowance(detail.remaining, detail, unit)} ` +
      `${detail.remaining === 1 ? "is" : "are"} left. Nothing was stored or charged.`];
  if (isOwnLimit(detail)) {
    told.push(feature.may_change_plan
      ? "This limit is your own. You can raise it on the page Team."
      : `This limit is your own. ${feature.owner}, who owns the workspace, can raise it.`);
  }
  if (detail.resets_at) told.push(`It starts again on ${moment(detail.resets_at)}.`);
  else if (detail.code === "quota_exceeded") told.push(`${detail.feature === "seats" ? "Removing a member" : "Deleting documents"} makes room.`);
  if (detail.resets_at && detail.retry_after === null && detail.code === "quota_exceeded") {
    told.push("Even then it would be more than this plan gives at once.");
  }
  return told;
}

function meter(detail, feature) {
  if (!detail.allowance || detail.used === undefined) return []; // an upload's size is no sum
  const text = `${ofAllowance(detail.used, detail, feature.unit)} used`;
  const bar = element("progress", { max: detail.allowance, value: Math.min(detail.used, detail.allowance) }, text);
  bar.setAttribute("aria-label", `${feature.title}: ${text}`);
  return [bar, element("p", { className: "where" }, text)];
}

function offerItem(offer, feature) {
  const cents = (offer.metadata || {}).price_cents || 0;
  const gives = offer.allowance === null && !feature.unit ? "included" : amount(offer.allowance, feature.unit);
  const link = element("a", { href: `${plansUrl()}#plan-${encodeURIComponent(offer.plan)}` }, element("strong", {}, offer.title || offer.plan));
  return element("li", {}, link, element("span", {}, gives), element("span", {}, price(cents)));
}

/** Where to come back to after a change of plan: this page, with the question that was asked. */
let back = "";
const plansUrl = () => `/plans?${new URLSearchParams({ back })}`;

function remember(opener) {
  const question = opener?.form?.elements.question?.value;
  back = location.pathname + (question ? `?${new URLSearchParams({ question })}` : location.search);
  part("plans").href = plansUrl();
}

async function loadOffers(detail) {
  const list = part("offers");
  list.replaceChildren(element("li", {}, "Looking…"));
  const query = new URLSearchParams({ feature: detail.feature, amount: detail.requested });
  try {
    const answer = await send(`/api/offers?${query}`);
    const items = answer.offers.map((offer) => offerItem(offer, answer));
    if (!items.length) items.push(element("li", {}, "No plan on offer allows more."));
    else if (!answer.may_change_plan) items.push(element("li", {}, `${answer.owner}, who owns the workspace, can change the plan.`));
    list.replaceChildren(...items);
    return answer;
  } catch {
    list.replaceChildren(element("li", {}, "The plans could not be loaded."));
    return { title: detail.feature, unit: null, owner: "The owner" };
  }
}

function keepFocusInside(event) {
  if (event.key !== "Tab") return;
  const stops = [...dialog.querySelectorAll("a[href], button, input")];
  const edge = event.shiftKey ? stops[0] : stops[stops.length - 1];
  if (document.activeElement === edge || !dialog.contains(document.activeElement)) {
    event.preventDefault();
    (event.shiftKey ? stops[stops.length - 1] : stops[0]).focus();
  }
}

/** Open the dialog for a refusal's detail; `opener` gets the focus back when it closes. */
export async function openPaywall(detail, opener = document.activeElement) {
  remember(opener);
  const feature = await loadOffers(detail);
  for (const name of ["choice", "plans"]) part(name).hidden = isOwnLimit(detail);
  part("title").textContent = title(detail, feature);
  part("text").replaceChildren(...sentences(detail, feature).map((text) => element("p", {}, text)));
  part("meter").replaceChildren(...meter(detail, feature));
  dialog.addEventListener("close", () => opener?.focus(), { once: true });
  if (!dialog.open) dialog.showModal();
  part("close").focus();
}

if (dialog) {
  dialog.addEventListener("keydown", keepFocusInside);
  part("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // the backdrop
  });
}
