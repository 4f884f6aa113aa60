// Improves the hosted pages. Everything works without JavaScript too.
"use strict";

(() => {
  const at = (selector) => document.querySelector(selector);
  const state = at("[data-state]");
  const field = at("#code");

  // --- a form is sent once, however often it is pressed -----------------------------------------

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    const button = event.submitter ?? form.querySelector("[data-busy]");
    if (button?.dataset.busy) button.textContent = button.dataset.busy;
  });

  // --- a puzzle that is required under heavy traffic ---------------------------------------------

  const puzzle = at("[data-puzzle]");
  const solve = async (form, { solver, solving, sends }) => {
    const [button, unable] = [form.querySelector("button.main"), puzzle.textContent];
    button.disabled = true;
    puzzle.textContent = solving;
    try {
      const { answer } = await import(solver);
      form.elements.challenge.value = await answer(JSON.parse(puzzle.dataset.puzzle));
    } catch {
      puzzle.textContent = unable;
      return;
    }
    button.disabled = false;
    if (sends === undefined) puzzle.hidden = true;
    else form.requestSubmit(form.elements[sends] ?? button); // with the button that was pressed
  };
  if (puzzle) solve(puzzle.closest("form"), puzzle.dataset);

  // Fetch the current page. Another tab may have started another verification, so the form names the one meant.
  const ask = async () => {
    const form = new FormData(at("main form"));
    form.delete("code");
    const answer = await fetch(location.href, { method: "POST", body: new URLSearchParams(form) });
    if (!answer.ok) throw new Error(answer.status);
    return new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-state]");
  };

  // A page that the browser restored from memory has old buttons and times: fetch it again.
  window.addEventListener("pageshow", async (event) => {
    if (!event.persisted) return;
    try {
      if (field || state?.hasAttribute("data-polls")) await ask();
    } finally {
      location.replace(location.href);
    }
  });

  // --- the code ---------------------------------------------------------------------------------

  // In Unicode, decimal digits come in blocks of ten, from 0 to 9.
  const digit = (char) => {
    const point = char.codePointAt(0);
    let first = point;
    while (/\p{Nd}/u.test(String.fromCodePoint(first - 1))) first -= 1;
    return String((point - first) % 10);
  };

  const plain = (text) =>
    text
      .replace(/[\uff01-\uff5e]/g, (char) => String.fromCharCode(char.charCodeAt(0) - 0xfee0)) // full width
      .replace(/[\s\p{Pd}−]/gu, "")
      .replace(/\p{Nd}/gu, digit)
      .toUpperCase();

  // The same as code_in() on the server.
  const codeIn = (typed) => {
    const { length, alphabet } = field.dataset;
    const text = typed.replace(/[\p{Default_Ignorable_Code_Point}\p{Bidi_Control}]/gu, "");
    const bound = [...text.matchAll(/@[^\s@#]+ #([^\s%]+)/g)].map((match) => match[1]).reverse();
    const words = text.match(/[\p{L}\p{N}_]+/gu) || [];
    return [...bound, text, ...words].map(plain).find((word) => word.length === Number(length) && [...word].every((c) => alphabet.includes(c)));
  };

  const fill = (text) => {
    const code = codeIn(text);
    if (!code) return false;
    field.value = code;
    field.form.requestSubmit();
    return true;
  };

  if (field) {
    at("[data-with-script]").hidden = false;
    field.addEventListener("input", (event) => {
      if (!event.isComposing) fill(field.value);
    });
    field.addEventListener("paste", (event) => {
      // A field of one line drops the line breaks, and so hides where the last line begins.
      if (event.clipboardData && fill(event.clipboardData.getData("text"))) event.preventDefault();
    });
    // The virtual phone passes on the code that was pressed there.
    document.addEventListener("otpost:code", (event) => {
      if (fill(event.detail)) field.focus();
    });
  }

  // --- the times --------------------------------------------------------------------------------

  if (!state) return;

  const live = at("[data-live]");
  const words = live.dataset; // in the language of the page
  const say = (words) => {
    live.textContent = words;
  };
  const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;

  // Calls back every second with the seconds left of `given`. It counts by a clock that
  // cannot be set. The last call is for 0.
  const countDown = (given, tell) => {
    const end = performance.now() + given * 1000;
    const tick = () => {
      const left = Math.max(Math.ceil((end - performance.now()) / 1000), 0);
      tell(left);
      if (left) return;
      clearInterval(timer);
    };
    const timer = setInterval(tick, 1000);
    tick();
    return () => clearInterval(timer);
  };

  let stops = [];
  const begin = (data) => {
    stops.forEach((stop) => stop());
    stops = [];
    if (data.expiresIn) stops.push(countDown(Number(data.expiresIn), expiry()));
    resendable(!data.resendIn);
    if (data.resendIn) stops.push(countDown(Number(data.resendIn), cooldown));
  };

  const expiry = () => {
    const bar = at(".drain");
    let said;
    return (left) => {
      at("[data-expiry]").textContent = clock(left);
      bar.hidden = false;
      bar.value = left;
      bar.classList.toggle("short", left <= 30);
      // Announce it three times, not every second.
      const mark = [0, 10, 30].find((seconds) => left <= seconds);
      if (mark !== undefined && mark !== said && said !== undefined) say({ 0: words.expired, 10: words.tenSeconds, 30: words.halfMinute }[mark]);
      said = mark ?? null;
      if (!left) setTimeout(refresh, 500);
    };
  };

  const resendable = (yes) => {
    for (const button of document.querySelectorAll("[data-resend]")) button.disabled = !yes;
    const wait = at("[data-wait]");
    if (wait) wait.hidden = yes;
  };
  const cooldown = (left) => {
    const wait = at("[data-wait] .clock");
    if (!wait) return;
    wait.textContent = clock(left);
    if (left) return;
    resendable(true);
    say(words.again);
  };

  // Updates what is on its way, whether it takes long, and the other channels. Keeps what is being typed, and the
  // button that has the focus.
  const renew = (fresh, name) => {
    const [now, then] = [fresh, state].map((page) => page.querySelector(`[${name}]`));
    if (!now || !then || now.textContent === then.textContent || then.contains(document.activeElement)) return false;
    then.replaceWith(now);
    return true;
  };

  // Ask the server for the state. Keep what was typed, unless the page is a different one.
  let asking = false;
  const refresh = async (times = true) => {
    if (asking || document.hidden) return;
    asking = true;
    try {
      const fresh = await ask();
      if (fresh?.dataset.shows !== state.dataset.shows) location.replace(location.href);
      else {
        if (renew(fresh, "data-lead")) {
          say(at("[data-lead]").textContent);
          renew(fresh, "data-others");
          begin(fresh.dataset);
        } else if (times) begin(fresh.dataset);
      }
    } catch {
      if (times) setTimeout(refresh, 2000);
    } finally {
      asking = false;
    }
  };

  begin(state.dataset);

  if (state.dataset.state === "pending") {
    // The clock of performance.now() may stop while a device sleeps.
    document.addEventListener("visibilitychange", () => refresh());
    // A provider may refuse the number, or be slow, after the page was shown.
    for (const seconds of [1, 3, 8, 11, 20, 40, 80]) setTimeout(refresh, seconds * 1000, false);
    // The user's own SMS may come at any time.
    if (state.hasAttribute("data-polls")) setInterval(refresh, 3000, false);
  }
})();
