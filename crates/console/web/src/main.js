// What a hand needs beyond plain pages: parts that are fetched as somebody types, times as they are locally, files that are dropped, pages that stay current.
// The rule: nothing here decides or hides anything; without it every page does the same by loading again.
import "htmx.org/dist/htmx.esm.js";

const each = (root, selector, act) => root.querySelectorAll(selector).forEach(act);

/** Local times, told on hover beside UTC. */
function times(root) {
  each(root, "time[datetime]:not([data-local])", (time) => {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) return;
    time.dataset.local = "";
    time.title = `${time.dateTime} (UTC)\n${at.toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" })} (here)`;
  });
}

/** A time as the page said it. */
function plain(time) {
  if (!("local" in time.dataset)) return;
  delete time.dataset.local;
  time.title = `${time.dateTime} (UTC)`;
}

/** A file may be dropped anywhere on its form. */
function drops(root) {
  each(root, "form[data-drop]", (form) => {
    const input = form.querySelector(`input[type=file][name=${form.dataset.drop}]`);
    const over = (on) => (event) => {
      event.preventDefault();
      form.classList.toggle("over", on);
    };
    form.addEventListener("dragover", over(true));
    form.addEventListener("dragleave", over(false));
    form.addEventListener("drop", (event) => {
      over(false)(event);
      if (input && event.dataTransfer?.files.length) {
        input.files = event.dataTransfer.files;
        form.requestSubmit();
      }
    });
  });
}

/** Objects are found by name for a field that takes ids; a press puts the id there, with the name beside it. */
function picks(root) {
  each(root, "[data-pick]", (box) => {
    const field = document.getElementById(box.dataset.pick);
    const search = box.querySelector("input");
    if (!field || !search) return;
    box.hidden = false;
    let due = 0;
    // What is typed here is no part of the form.
    for (const kind of ["input", "change"]) search.addEventListener(kind, (event) => event.stopPropagation());
    search.addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault());
    search.addEventListener("input", () => {
      clearTimeout(due);
      due = setTimeout(async () => {
        const words = search.value.trim();
        const old = box.querySelector(".found");
        if (!words) return old.replaceChildren();
        const answer = await fetch(`/console/pick?${new URLSearchParams({ q: words, types: box.dataset.types })}`);
        if (!answer.ok || answer.redirected || words !== search.value.trim()) return;
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector(".found");
        if (fresh) box.querySelector(".found").replaceWith(document.importNode(fresh, true));
      }, 250);
    });
    box.addEventListener("keydown", (event) => {
      const stops = [search, ...box.querySelectorAll("[data-add]")];
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") {
        box.querySelector(".found").replaceChildren();
        search.focus();
      }
      if (!step) return;
      event.preventDefault();
      stops[Math.min(Math.max(stops.indexOf(document.activeElement) + step, 0), stops.length - 1)].focus();
    });
    box.addEventListener("click", (event) => {
      const chosen = event.target.closest("[data-add]");
      if (!chosen) return;
      const line = chosen.dataset.called ? `${chosen.dataset.add} "${chosen.dataset.called}"` : chosen.dataset.add;
      const many = field.tagName === "TEXTAREA" && field.value.trim();
      field.value = many ? `${field.value.trimEnd()}\n${line}` : line;
      search.value = "";
      box.querySelector(".found").replaceChildren();
      field.dispatchEvent(new Event("input", { bubbles: true }));
      search.focus();
    });
  });
}

/** `/` leads to the search; `j` and `k` lead through the rows of a list. */
function keys(event) {
  if (event.key === "Escape" && event.target.matches?.("input[type=search]")) event.target.blur();
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") {
    const search = document.querySelector("input[type=search]");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  }
  if (event.key === "j" || event.key === "k") {
    const links = [...document.querySelectorAll("main tbody th a")];
    const at = links.indexOf(document.activeElement);
    links[Math.min(Math.max(at + (event.key === "j" ? 1 : -1), 0), links.length - 1)]?.focus();
  }
}

let asking = false;

/** Fetches the page again and puts its live parts in the place of the old ones, unless somebody is at work in them. */
async function refresh(parts) {
  if (asking || document.hidden) return;
  asking = true;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html", "x-polder-live": "1" } });
    if (!answer.ok || answer.redirected) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    each(document, parts === "view" ? "[data-live][id]" : `[data-live=${parts}][id]`, (old) => {
      const part = fresh.getElementById(old.id);
      const busy = old.contains(document.activeElement) || old.querySelector("input:checked");
      // What somebody opened is no change of the page.
      const open = [...old.querySelectorAll("details")].map((details) => details.open);
      each(old, "details", (details) => (details.open = false));
      each(old, "time", (time) => plain(time));
      if (part && !busy && part.innerHTML !== old.innerHTML) {
        old.replaceWith(document.importNode(part, true));
        window.htmx?.process(document.getElementById(part.id));
      }
      document.getElementById(old.id)?.querySelectorAll("details").forEach((details, n) => (details.open = open[n] ?? false));
      dress(document);
    });
  } finally {
    asking = false;
  }
}

/** Hears that the reader's view has moved. */
function live() {
  if (!document.querySelector("[data-live]")) return;
  const source = new EventSource("/console/events");
  let missed = false;
  source.addEventListener("watching", () => document.documentElement.toggleAttribute("data-watching", true));
  source.addEventListener("moved", (event) => {
    const parts = event.data === "board" ? "board" : "view";
    if (parts === "board" && !document.querySelector("[data-live=board]")) return;
    missed ||= document.hidden;
    refresh(parts);
  });
  document.addEventListener("visibilitychange", () => {
    if (missed && !document.hidden) {
      missed = false;
      refresh("view");
    }
  });
  addEventListener("pagehide", () => source.close());
}

function dress(root) {
  times(root);
}

// What was searched as it was typed is not searched again when the field is left: that would replace the row somebody has just gone to.
document.addEventListener("change", (event) => event.target.matches?.("input[type=search]") && event.stopPropagation(), true);
document.addEventListener("change", (event) => event.target.closest?.("form[data-at-once]")?.requestSubmit());
// A form that is sent for another one takes along what was entered there.
document.addEventListener("formdata", (event) => {
  const other = document.getElementById(event.target.dataset.with ?? "");
  if (!other) return;
  const own = new Set(event.formData.keys());
  for (const [name, value] of new FormData(other)) if (!own.has(name)) event.formData.append(name, value);
});
document.addEventListener("keydown", keys);
document.addEventListener("htmx:after:swap", () => dress(document));
const start = () => {
  dress(document);
  drops(document);
  picks(document);
  live();
};
if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
else start();
