// The page of the virtual phone: shows each SMS as soon as the worker has delivered it, the latest first.
"use strict";

(async () => {
  const list = document.querySelector("[data-messages]");
  const nothing = document.querySelector("[data-nothing]");
  const leaving = new AbortController();
  addEventListener("pagehide", () => leaving.abort());

  const show = (message) => {
    const item = document.createElement("li");
    const at = new Date(message.at * 1000).toLocaleTimeString();
    item.textContent = `${at} · to ${message.to}\n\n${message.body}`; // never as HTML: a text is anybody's
    list.prepend(item);
    nothing.hidden = true;
  };

  for (let after = 0, wait = 0; !leaving.signal.aborted; ) {
    const pause = new Promise((resume) => setTimeout(resume, 500));
    try {
      const answer = await fetch(`${list.dataset.messages}?after=${after}&wait=${wait}`, { signal: leaving.signal });
      const { messages } = await answer.json();
      messages.forEach(show);
      after = messages.at(-1)?.seq ?? after;
      wait = 1; // a longer one would hold up the web server when it is asked to stop
    } catch {
      // The server starts anew, as it does when a file changes.
    }
    await pause;
  }
})();
