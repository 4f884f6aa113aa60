// The virtual phone of the demo: shows each SMS, and the words of each call, as soon as the worker delivers it.
"use strict";

(() => {
  const log = document.querySelector("[data-messages]");
  const list = log.querySelector("ol");
  const device = document.querySelector(".device");
  const notice = document.querySelector("[data-notice]");
  const now = document.querySelector("[data-now]");
  const time = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
  const leaving = new AbortController();
  const codeField = document.querySelector("#code");

  const element = (name, className, text = "") => {
    const made = document.createElement(name);
    made.className = className;
    made.textContent = text; // never as HTML: anybody may have written the SMS
    return made;
  };

  const bubble = (message) => {
    const item = element("li", "bubble");
    const kind = { voice: "call ", whatsapp: "WhatsApp ", telegram: "Telegram " }[message.channel] ?? "";
    const about = element("span", "bubble-about", ` · ${kind}to ${message.to}`);
    about.prepend(element("bdi", "", time.format(message.at * 1000))); // otherwise an Arabic "PM" would turn the whole line
    const text = element("div", "bubble-text", message.body);
    const code = /@[^\s@#]+ #([^\s%]+)\s*$/.exec(message.body)?.[1];
    const place = code ? message.body.indexOf(code) : -1;
    if (place >= 0 && codeField) {
      const button = element("button", "fill", code);
      button.type = "button";
      button.title = "Put this code into the form";
      text.replaceChildren(message.body.slice(0, place), button, message.body.slice(place + code.length));
      text.addEventListener("click", () => {
        document.dispatchEvent(new CustomEvent("otpost:code", { detail: code }));
      });
      item.classList.add("fills");
    }
    item.append(about, text);
    return item;
  };

  // On a small screen the phone lies below the visible part. So an SMS also drops in from above, as on a
  // real phone, until it is pressed or the phone is in view.
  const notify = (message) => {
    if (log.getBoundingClientRect().bottom <= innerHeight) return;
    const item = bubble(message);
    for (const button of item.querySelectorAll("button")) button.tabIndex = -1; // the log has one for the keyboard
    notice.replaceChildren(item);
    notice.hidden = false;
  };
  notice.addEventListener("click", () => {
    notice.hidden = true;
  });
  new IntersectionObserver((seen) => {
    if (seen.at(-1).isIntersecting) notice.hidden = true;
  }, { threshold: 0.9 }).observe(log);

  const show = (messages, isNew) => {
    if (!messages.length) return;
    document.querySelector("[data-nothing]").hidden = true;
    for (const message of messages) {
      const item = bubble(message);
      item.classList.toggle("fresh", isNew);
      list.append(item);
    }
    while (list.children.length > 20) list.firstElementChild.remove();
    log.scrollTop = log.scrollHeight;
    if (!isNew) return;
    notify(messages.at(-1));
    device.classList.remove("buzz");
    requestAnimationFrame(() => device.classList.add("buzz"));
  };

  const pause = (milliseconds) => new Promise((resume) => setTimeout(resume, milliseconds));

  // The newest message that this tab has shown, also on earlier pages. Later messages are new, also those
  // that came in the last moment of the page before. In a new tab every message is old.
  const remember = (seq) => sessionStorage.setItem("otpost-seen", seq);
  const remembered = (otherwise) => Number(sessionStorage.getItem("otpost-seen") ?? otherwise);

  const listen = async () => {
    let after = 0;
    let wait = 0;
    while (!leaving.signal.aborted) {
      try {
        const asked = performance.now();
        const address = `${log.dataset.messages}?after=${after}&wait=${wait}`;
        const answer = await fetch(address, { signal: leaving.signal });
        if (!answer.ok) throw new Error(answer.status);
        const { messages } = await answer.json();
        const last = messages.at(-1)?.seq ?? after;
        if (wait) {
          show(messages, true);
          // An immediate empty answer: too many pages wait already.
          if (!messages.length && performance.now() - asked < 500) await pause(1000);
        } else {
          const seen = remembered(last);
          remember(seen);
          show(messages.filter((message) => message.seq <= seen), false);
          // Earlier messages are not read aloud, later ones are.
          log.setAttribute("aria-live", "polite");
          await pause(150); // a region must be live before its content changes
          show(messages.filter((message) => message.seq > seen), true);
        }
        setTimeout(remember, 1000, last);
        after = last;
        wait = 1; // a longer wait would hold up the web server when it stops
      } catch {
        if (!leaving.signal.aborted) await pause(2000);
      }
    }
  };

  const tick = () => {
    now.textContent = time.format(Date.now());
  };

  window.addEventListener("pagehide", () => leaving.abort());
  tick();
  setInterval(tick, 10_000);
  listen();
})();
