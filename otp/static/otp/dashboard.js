// Refreshes a page of the dashboard. Without this script, the page stays as it was loaded.
"use strict";

(() => {
  const EVERY = 2000; // ms between two requests
  const LOST = 3; // failed requests after which the page says so

  // The server sends times in UTC. Show them in local time.
  function localTimes(within) {
    for (const time of within.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      time.title = time.textContent.trim();
      if (time.dataset.as === "day") {
        time.textContent = at.toLocaleDateString([], { day: "numeric", month: "long", year: "numeric" });
        continue;
      }
      if (time.dataset.as === "clock") {
        time.textContent = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
        continue;
      }
      const today = at.toDateString() === new Date().toDateString();
      const clock = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
      time.textContent = today ? clock : `${at.toLocaleDateString([], { month: "short", day: "numeric" })}, ${clock}`;
    }
  }

  // Replace the content. Keep open details open, and the focus and scroll positions where they are.
  function swap(live, fresh) {
    const open = [...live.querySelectorAll("details[open][id]")].map((one) => one.id);
    const focused = live.contains(document.activeElement) ? document.activeElement.id : "";
    const scrolled = [...live.querySelectorAll(".wide[id]")].map((one) => [one.id, one.scrollLeft]);
    const said = (part) => part.querySelector("[data-said]")?.textContent.trim();
    if (said(fresh) !== said(live)) document.getElementById("said").textContent = said(fresh);
    localTimes(fresh);
    live.replaceChildren(...fresh.childNodes);
    live.dataset.etag = fresh.dataset.etag;
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    for (const [id, left] of scrolled) {
      const one = document.getElementById(id);
      if (one) one.scrollLeft = left;
    }
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }

  async function ask(live) {
    const response = await fetch(location.href, {
      headers: { "If-None-Match": live.dataset.etag },
      credentials: "same-origin",
      cache: "no-store",
    });
    if (response.redirected) {
      location.reload(); // the session has ended: the login leads back here
      return;
    }
    if (response.status === 304) return;
    if (!response.ok) throw new Error(`status ${response.status}`);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = page.getElementById("live");
    if (fresh) swap(live, fresh);
  }

  function keepFresh(live) {
    const toast = document.getElementById("toast");
    let failed = 0;
    let timer = 0;

    async function round() {
      try {
        await ask(live);
        failed = 0;
        toast.textContent = "";
      } catch {
        failed += 1;
        if (failed === LOST) toast.textContent = "No answer. This page is out of date.";
      }
      timer = document.hidden ? 0 : setTimeout(round, EVERY);
    }

    document.addEventListener("visibilitychange", () => {
      if (document.hidden) {
        clearTimeout(timer);
        timer = 0;
      } else if (!timer) {
        timer = setTimeout(round, 0);
      }
    });
    timer = setTimeout(round, EVERY);
  }

  localTimes(document);
  document.querySelector(".top nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  const live = document.getElementById("live");
  if (live) keepFresh(live);
})();
