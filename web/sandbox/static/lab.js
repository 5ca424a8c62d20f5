// The page is whole without this file. With it, new messages appear by themselves, answers go without leaving the page,
// and code can be copied by a button.
const $ = (id) => document.getElementById(id);
const every = 900; // milliseconds between two looks

for (const b of document.querySelectorAll("[data-copy]")) b.hidden = false;

addEventListener("click", async (e) => {
  const b = e.target.closest("[data-copy]");
  if (!b) return;
  try {
    await navigator.clipboard.writeText($(b.dataset.copy).textContent);
  } catch {
    getSelection().selectAllChildren($(b.dataset.copy));
    return;
  }
  const was = b.textContent;
  b.textContent = "Copied";
  setTimeout(() => { b.textContent = was; }, 1600);
});

const say = (text, bad) => {
  const s = $("status");
  s.textContent = text;
  s.classList.toggle("bad", Boolean(bad));
};

addEventListener("submit", async (e) => {
  const form = e.target;
  if (!form.matches("[data-live]")) return;
  e.preventDefault();
  const data = new URLSearchParams(new FormData(form, e.submitter));
  if (data.has("text") && !data.get("text").trim()) return;
  const text = form.elements.namedItem("text");
  if (text) text.value = "";
  try {
    const res = await fetch(form.action, { method: "POST", body: data, headers: { Accept: "application/json" } });
    const answer = await res.json();
    if (!res.ok) {
      say((answer.errors || []).map((x) => x.detail).join(" · ") || answer.detail || answer.title, true);
      if (text) text.value = data.get("text");
    } else if (form.action.endsWith("/sends")) {
      say(`Accepted as ${answer.id}.`);
    } else {
      say("");
    }
  } catch {
    say("The server does not answer.", true);
    if (text) text.value = data.get("text");
  }
  look();
});

let tag = "", timer = 0, busy = false;

async function look() {
  clearTimeout(timer);
  if (busy) {
    timer = setTimeout(look, 100);
    return;
  }
  busy = true;
  try {
    if (!document.hidden) {
      const res = await fetch(`/sandbox/live${location.search}`, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
      if (res.ok) {
        tag = res.headers.get("ETag") || "";
        swap(new DOMParser().parseFromString(await res.text(), "text/html"));
      }
      $("pulse").classList.toggle("warn", !res.ok && res.status !== 304);
    }
  } catch {
    $("pulse").classList.add("warn");
  }
  busy = false;
  timer = setTimeout(look, every);
}

// swap brings in what is new, and leaves alone what the person is typing in.
function swap(next) {
  const phones = $("phones"), fresh = next.getElementById("phones");
  if (!phones || !fresh) return;
  for (const old of [...phones.children]) {
    if (!old.id || !next.getElementById(old.id)) old.remove();
  }
  let first = phones.firstElementChild;
  for (const fig of [...fresh.children]) {
    const old = fig.id && $(fig.id);
    if (!old) {
      phones.insertBefore(document.importNode(fig, true), first);
    } else if (old.dataset.v !== fig.dataset.v) {
      old.dataset.v = fig.dataset.v;
      for (const part of fig.querySelectorAll("[data-part]")) {
        old.querySelector(`[data-part="${part.dataset.part}"]`)?.replaceWith(document.importNode(part, true));
      }
      const form = old.querySelector(".say"), to = fig.querySelector(".say");
      if (form && to) form.setAttribute("action", to.getAttribute("action"));
      first = old.nextElementSibling === first ? first : phones.firstElementChild;
    }
  }
  for (const part of ["tabs", "older"]) {
    const old = document.querySelector(`[data-part="${part}"]`), now = next.querySelector(`[data-part="${part}"]`);
    if (old && now && old.innerHTML !== now.innerHTML) old.replaceWith(document.importNode(now, true));
  }
  const log = $("log"), lines = next.getElementById("log");
  if (log.innerHTML !== lines.innerHTML) log.replaceChildren(...[...lines.children].map((x) => document.importNode(x, true)));
}

if ($("live")) {
  $("pulse").hidden = false;
  document.querySelector(".refresh").hidden = true;
  addEventListener("visibilitychange", look);
  look();
}
