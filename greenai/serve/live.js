"use strict";
const live = document.getElementById("live"), state = document.getElementById("state");
let failed = false;
const say = text => { if (state.textContent !== text) state.textContent = text; };
async function again() {
  if (document.hidden) return;
  try {
    const answer = await fetch("/", { cache: "no-store", headers: { accept: "text/html" } });
    if (!answer.ok) throw new Error(String(answer.status));
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
    for (const section of fresh.children) {
      const old = document.getElementById(section.getAttribute("aria-labelledby")).parentElement;
      if (old.outerHTML !== section.outerHTML) old.replaceWith(document.importNode(section, true));
    }
    if (failed) say("The gateway answers again.");
    failed = false;
  } catch {
    if (!failed) say("The gateway does not answer. What is shown is its last answer.");
    failed = true;
  }
}
setInterval(again, 1000 * Number(live.dataset.every));
document.addEventListener("visibilitychange", again);
