// Keeps the page current: asks for it again when the stream has news, and now and then without any,
// and swaps the parts that differ. Nothing depends on it: without this script the page is as it was
// when it was loaded.
"use strict";
(() => {
  const main = document.querySelector("main[data-live-page]");
  const place = document.getElementById("live");
  if (!main || !place || !window.fetch) return;

  const POLL_MS = Number(main.dataset.livePage); // also without news: ages grow, streams can be lost
  const REST_MS = 1500; // news within that time after a refresh waits for the end of it
  const PROGRESS_MS = 5000; // so do pages of a run that goes on
  const GIVE_UP_MS = 10000;
  let paused = false;
  let timer = 0;
  let due = Infinity;
  let running = false;
  let last = Date.now();
  let news = null;
  let missed = false; // the stream was away, so it has not told everything

  const words = document.createElement("span");
  const button = document.createElement("button");
  button.type = "button";
  button.addEventListener("click", () => {
    paused = !paused;
    show(paused ? "paused" : "live");
    listen();
    if (paused) rest();
    else refresh();
  });
  place.append(words, button);
  place.hidden = false;
  show("live");

  function show(state) {
    place.className = `live ${state}`;
    const said = { live: "Live", paused: "Paused", lost: "No connection; trying again" }[state];
    if (words.textContent !== said) words.textContent = said; // a status is read out when it changes
    button.textContent = paused ? "Resume" : "Pause";
  }

  // Whatever asks for it, the page is asked for at the earliest of their times.
  function soon(delay) {
    if (paused || Date.now() + delay >= due) return;
    clearTimeout(timer);
    due = Date.now() + delay;
    timer = setTimeout(refresh, delay);
  }

  function rest() {
    clearTimeout(timer);
    due = Infinity;
  }

  function behindLast(delay) {
    soon(Math.max(0, last + delay - Date.now()));
  }

  async function refresh() {
    rest();
    if (paused) return;
    if (running) return soon(REST_MS);
    if (document.hidden) return soon(POLL_MS);
    running = true;
    last = Date.now();
    try {
      const answer = await fetch(location.href, {
        headers: { Accept: "text/html" },
        cache: "no-store",
        signal: AbortSignal.timeout(GIVE_UP_MS),
      });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
      if (!paused) show("live");
    } catch {
      if (!paused) show("lost");
    } finally {
      running = false;
      listen();
      soon(POLL_MS);
    }
  }

  function swap(fresh) {
    if (document.title !== fresh.title) document.title = fresh.title;
    for (const old of document.querySelectorAll("[data-live]")) {
      const next = fresh.getElementById(old.id);
      if (!next) return location.reload(); // another page than before: the trouble is over
      if (next.innerHTML !== old.innerHTML && !isSelected(old)) replace(old, next);
    }
  }

  // A person who is copying something must not lose the selection.
  function isSelected(part) {
    const selection = document.getSelection();
    return selection && !selection.isCollapsed && selection.containsNode(part, true);
  }

  function replace(old, next) {
    const open = [...old.querySelectorAll("details[open][id]")].map((each) => each.id);
    const scrolled = [...old.querySelectorAll(".scroll[id]")].map((each) => [each.id, each.scrollLeft]);
    const marks = new Map();
    for (const each of old.querySelectorAll("[data-key]")) marks.set(each.dataset.key, each.dataset.mark);
    const focused = old.contains(document.activeElement) ? whereabouts(document.activeElement) : null;

    old.replaceChildren(...[...next.childNodes].map((each) => document.importNode(each, true)));

    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    for (const [id, left] of scrolled) {
      const box = document.getElementById(id);
      if (box) box.scrollLeft = left;
    }
    for (const each of old.querySelectorAll("[data-key]")) {
      const before = marks.get(each.dataset.key);
      if (before !== undefined && before !== each.dataset.mark) each.classList.add("changed");
    }
    if (focused) find(old, focused)?.focus({ preventScroll: true });
  }

  // Where the keyboard is: the same link, box or summary in what comes instead.
  function whereabouts(element) {
    const href = element.getAttribute("href");
    const key = element.closest("[data-key]")?.dataset.key;
    return { id: element.id || element.parentElement?.id, href, key, tag: element.localName };
  }

  function find(part, { id, href, key, tag }) {
    const candidates = [...part.querySelectorAll(tag)];
    return candidates.find((each) => {
      if (href !== null) return each.getAttribute("href") === href && each.closest("[data-key]")?.dataset.key === key;
      return id && (each.id === id || each.parentElement?.id === id);
    });
  }

  // A hidden page lets go of its stream: a browser opens six connections to a host, and no more.
  function listen() {
    const wanted = main.dataset.stream && window.EventSource && !document.hidden && !paused;
    if (!wanted) {
      news?.close();
      news = null;
    } else if (!news || news.readyState === EventSource.CLOSED) {
      news = new EventSource(main.dataset.stream);
      for (const kind of ["change", "reset"]) news.addEventListener(kind, () => behindLast(REST_MS));
      news.addEventListener("runs", (event) => behindLast(isProgress(event) ? PROGRESS_MS : REST_MS));
      news.addEventListener("error", () => (missed = true));
      news.addEventListener("open", () => {
        if (missed) behindLast(REST_MS);
        missed = false;
      });
    }
  }

  function isProgress(event) {
    return JSON.parse(event.data).data.every((run) => run.status === "running" && run.pages > 0);
  }

  document.addEventListener("visibilitychange", () => {
    listen();
    if (!document.hidden) behindLast(REST_MS);
  });
  listen();
  soon(POLL_MS);
})();
