// <otpost-verify session="…"> verifies a phone inside a page of any site. The server sends all texts, in the
// user's language (otp/widget/shown.py), so this file has none.
"use strict";

(() => {
  // A module has no currentScript: then the attribute holds the whole URL of the session.
  const SOURCE = document.currentScript?.src;

  // Seconds until the server is asked again: a provider may refuse the number, or be slow, after the start.
  const LOOKS = [1, 3, 8, 11, 20, 40, 80];

  // By URL of the session: a framework may make the element twice.
  const HELD = new Map();

  const STYLE = new CSSStyleSheet();
  STYLE.replaceSync(`
    :host {
      --accent: var(--otpost-accent, light-dark(#0b57d0, #a8c7fa));
      --accent-text: var(--otpost-accent-text, light-dark(#fff, #062e6f));
      --alarm: var(--otpost-error, light-dark(#b3261e, #ffb4ab));
      --gap: var(--otpost-gap, 0.75em);
      display: block;
    }
    :host([hidden]), [hidden] { display: none !important; }
    * { box-sizing: border-box; font: inherit; color: inherit; }
    .title, .lead, .hint, .error, .facts { margin: 0 0 var(--gap); }
    .title { font-size: 1.25em; font-weight: 600; outline: none; }
    .label { display: block; margin-block-end: 0.25em; font-weight: 600; }
    .input, button {
      min-height: 2.75em;
      padding: 0.5em 0.75em;
      border: 1px solid var(--otpost-border, currentColor);
      border-radius: var(--otpost-radius, 0.4em);
      background: transparent;
    }
    .input { width: 100%; margin-block-end: 0.25em; }
    .input[aria-invalid] { border-color: var(--alarm); }
    .submit { width: 100%; border-color: transparent; background: var(--accent); color: var(--accent-text); }
    button { cursor: pointer; }
    button[aria-disabled] { cursor: default; opacity: 0.75; }
    .input:focus-visible, button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
    .error { color: var(--alarm); }
    .hint, .facts { font-size: 0.875em; }
    .facts, .buttons { display: flex; flex-wrap: wrap; gap: 0.5em 1em; }
    .buttons { margin-block-start: var(--gap); }
    .live { position: absolute; width: 1px; height: 1px; margin: 0; overflow: hidden; clip-path: inset(50%); }
  `);

  // Makes an element. `name` is for ids, styles and ::part.
  const make = (tag, name, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    made.id = made.className = name;
    made.part = name;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };

  const write = (element, text = "") => {
    if (element.textContent !== text) element.textContent = text;
    element.hidden = !text;
  };

  const flag = (element, name, yes) => (yes ? element.setAttribute(name, "true") : element.removeAttribute(name));

  const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;

  const letters = (text) => text.match(/[\p{L}\p{N}]/gu)?.length ?? 0;

  const random = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

  class OtpostVerify extends HTMLElement {
    static observedAttributes = ["session"];

    #here = false; // in a page, and connectedCallback has been called
    #url;
    #held; // the proof that this browser opened the session, and the token of the last answer
    #view = {};
    #run; // aborts everything under way
    #otp; // ends the wait for an SMS that the browser may read
    #turn = 0; // counts the user's actions: an answer to an older one is ignored
    #pressed; // the button whose answer is awaited
    #looks = [];
    #tick;
    #mark; // the last announcement of the time left
    #pause; // seconds until the next try
    #again; // its timer

    #title = make("h2", "title", { tabindex: "-1" });
    #lead = make("p", "lead");
    #label = make("label", "label", { for: "input" });
    #input = make("input", "input", { required: "", dir: "ltr", spellcheck: "false", "aria-describedby": "error hint" });
    #error = make("p", "error", { role: "alert" });
    #hint = make("p", "hint");
    #expiry = make("span", "expiry", { role: "timer" });
    #attempts = make("span", "attempts");
    #facts = make("p", "facts", {}, this.#expiry, this.#attempts);
    #challenge = make("slot", "challenge", { name: "challenge" });
    #submit = make("button", "submit");
    #form = make("form", "form", {}, this.#label, this.#input, this.#error, this.#hint, this.#facts, this.#challenge, this.#submit);
    #buttons = make("div", "buttons");
    #live = make("p", "live", { "aria-live": "polite" });
    #box = make("div", "box", { role: "group", "aria-labelledby": "title" }, this.#title, this.#lead, this.#form, this.#buttons, this.#live);
    #fallback = make("slot", "fallback"); // the page's own content, until there is an answer

    constructor() {
      super();
      const root = this.attachShadow({ mode: "open" });
      root.adoptedStyleSheets = [STYLE];
      root.append(this.#box, this.#fallback);
      this.#form.addEventListener("submit", (event) => {
        event.preventDefault();
        this.#send();
      });
      this.#input.addEventListener("input", (event) => {
        if (!event.isComposing && letters(this.#input.value) === this.#view.field.length) this.#form.requestSubmit();
      });
      this.#input.addEventListener("paste", (event) => {
        // A field of one line drops the line breaks, and so hides where the line of the code begins.
        const text = event.clipboardData?.getData("text") ?? "";
        if (!this.#view.field.length || letters(text) <= this.#view.field.length) return;
        event.preventDefault();
        this.#input.value = text;
        this.#send(text);
      });
    }

    connectedCallback() {
      this.#here = true;
      this.#begin();
    }

    disconnectedCallback() {
      this.#here = false;
      this.#end();
    }

    attributeChangedCallback(_, before, now) {
      if (this.#here && before !== now) this.#begin();
    }

    // --- one session ------------------------------------------------------------------------------

    #begin() {
      this.#end();
      this.#view = {};
      this.#box.hidden = true;
      this.#fallback.hidden = false;
      const session = this.getAttribute("session");
      if (!session) return;
      if (!SOURCE && !URL.canParse(session)) throw new TypeError("otpost-verify: where its script is a module, `session` is the url of the session.");
      this.#url = new URL(session, SOURCE && new URL("s/", SOURCE)).href;
      this.#held = this.#kept() ?? { holder: random(), token: "" };
      this.#keep();
      this.#run = new AbortController();
      // The clock of performance.now() may stop while a device sleeps.
      document.addEventListener("visibilitychange", () => this.#look(), { signal: this.#run.signal });
      this.#look();
    }

    #end() {
      this.#run?.abort();
      this.#rest();
      this.#pressed = undefined;
    }

    #rest() {
      this.#otp?.abort();
      this.#otp = undefined;
      this.#looks.forEach(clearTimeout);
      this.#looks = [];
      clearInterval(this.#tick);
    }

    // After a reload, the session goes on, unless the browser keeps no storage.
    #kept() {
      try {
        return HELD.get(this.#url) ?? JSON.parse(sessionStorage.getItem(this.#url));
      } catch {
        return null;
      }
    }

    #keep() {
      HELD.set(this.#url, this.#held);
      try {
        sessionStorage.setItem(this.#url, JSON.stringify(this.#held));
      } catch {}
    }

    #tell(name, detail) {
      const session = this.#url.slice(this.#url.lastIndexOf("/") + 1);
      this.dispatchEvent(new CustomEvent(name, { bubbles: true, composed: true, detail: { session, ...detail } }));
    }

    // --- requests ---------------------------------------------------------------------------------

    // Returns whether the answer had a view to show. `quiet`: no user waits for it.
    async #ask(step, fields, quiet) {
      const { signal } = this.#run;
      const turn = quiet ? this.#turn : (this.#turn += 1);
      let status, said;
      try {
        const answer = await fetch(`${this.#url}/${step}`, {
          method: "POST",
          credentials: "omit",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify({ ...this.#held, ...fields }),
          signal: AbortSignal.any([signal, AbortSignal.timeout(20000)]),
        });
        said = await answer.json();
        status = answer.status;
      } catch {
        said = { code: "unreachable" };
      }
      if (signal.aborted || turn !== this.#turn) return true;
      if (said.puzzle && !fields.challenge) return this.#solve(said, step, fields, turn);
      this.#pressed = undefined;
      if (said.view) {
        this.#held.token = said.token ?? this.#held.token;
        this.#keep();
        this.#show(said.view, quiet);
      }
      if (said.code && (said.view || !quiet)) this.#tell("otpost-error", { code: said.code, status });
      if (said.view) this.#pause = undefined;
      else this.#soon();
      return Boolean(said.view);
    }

    // Under heavy traffic a start costs a puzzle. It is solved once; if that is not enough, the user decides.
    async #solve({ puzzle, view, code }, step, fields, turn) {
      write(this.#hint, view.solving);
      this.#live.textContent = view.solving;
      let challenge;
      try {
        const { answer } = await import(new URL("../puzzle.js", this.#url));
        challenge = await answer(puzzle);
      } catch {
        view.error = view.unable;
      }
      if (turn !== this.#turn || this.#run.signal.aborted) return true;
      if (challenge) return this.#ask(step, { ...fields, challenge });
      this.#pressed = undefined;
      this.#show(view);
      this.#tell("otpost-error", { code, status: 403 });
      return true;
    }

    // Asks for the state, and keeps what is being typed.
    async #look() {
      const { state } = this.#view;
      if (this.#pressed || (state && document.hidden) || state === "valid" || state === "closed") return;
      await this.#ask("open", {}, Boolean(state));
    }

    #later(seconds) {
      const timer = setTimeout(() => this.#look(), seconds * 1000);
      this.#looks.push(timer);
      return timer;
    }

    // After no answer: the server may have got the request nevertheless.
    #soon() {
      clearTimeout(this.#again);
      this.#pause = Math.min((this.#pause ?? 1) * 2, 60);
      this.#again = this.#later(this.#pause);
    }

    #send(code) {
      const { field, submit } = this.#view;
      const fields = field ? { [field.name]: code ?? this.#input.value } : {};
      // A captcha of the page stands in the slot of that name and leaves its answer in a field.
      if (submit.to === "start") fields.challenge = this.querySelector("[name=challenge]")?.value ?? "";
      this.#press(submit, this.#submit, fields);
    }

    async #press(button, element, fields = {}) {
      if (this.#pressed || element.hasAttribute("aria-disabled")) return;
      this.#pressed = element;
      element.textContent = button.busy;
      if (await this.#ask(button.to, button.channel ? { channel: button.channel } : fields)) return;
      element.textContent = button.text;
      this.#fail(button.trouble);
    }

    // --- the view ---------------------------------------------------------------------------------

    #show(view, quiet) {
      const { state, lead } = this.#view;
      const moved = view.state !== state;
      const focused = this.shadowRoot.activeElement || !quiet;
      this.#view = view;
      this.#fallback.hidden = true;
      this.#box.hidden = false;
      this.#box.lang = view.lang;
      this.#box.dir = view.dir;
      write(this.#title, view.title);
      write(this.#lead, view.lead);
      write(this.#attempts, view.facts);
      this.#facts.hidden = !view.facts;
      this.#form.hidden = !view.submit;
      this.#challenge.hidden = view.submit?.to !== "start";
      if (moved || !quiet) {
        this.#rest();
        this.#mark = undefined;
        this.#askFor(view.field);
        if (view.state === "pending") LOOKS.forEach((seconds) => this.#later(seconds));
        if (view.field?.length) this.#readSms();
      }
      this.#count();
      if (moved && state && focused) (view.field ? this.#input : this.#title).focus();
      if (moved ? state : view.lead !== lead) this.#live.textContent = view.lead || view.title;
      if (moved || !quiet) this.#fail(view.error, !state);
      if (moved && view.state === "valid") this.#tell("otpost-verified", { proof: view.proof });
    }

    #askFor(field) {
      this.#label.hidden = this.#input.hidden = this.#input.disabled = !field;
      write(this.#hint, field?.hint);
      if (!field) return;
      this.#label.textContent = field.label;
      const { name, type, mode: inputMode, complete: autocomplete, most: maxLength, value = "" } = field;
      if (this.#input.name !== name) this.#input.blur(); // otherwise the on-screen keyboard would stay the same
      Object.assign(this.#input, { name, type, inputMode, autocomplete, maxLength, value });
    }

    #fail(text, gently) {
      write(this.#error, text);
      flag(this.#input, "aria-invalid", text);
      if (text && this.#view.field && !gently) this.#input.focus();
    }

    // Some browsers can read an SMS that is bound to this page's host, after asking the user.
    async #readSms() {
      if (!("OTPCredential" in window)) return;
      this.#otp = new AbortController();
      const { signal } = this.#otp;
      try {
        const { code } = await navigator.credentials.get({ otp: { transport: ["sms"] }, signal });
        if (signal.aborted) return;
        this.#input.value = code;
        this.#send();
      } catch {} // the user said no, or typed the code
    }

    #draw(button, element, left) {
      if (element === this.#pressed) return;
      const wait = button.waits && left ? ` ${this.#view.wait.replace("{clock}", clock(left))}` : "";
      write(element, button.text + wait);
      flag(element, "aria-disabled", wait);
    }

    // Updates the buttons and the times, by a clock that cannot be set.
    #count() {
      const { submit, buttons = [], expires_in = 0, resend_in = 0, expiry, say } = this.#view;
      while (this.#buttons.children.length > buttons.length) this.#buttons.lastChild.remove();
      while (this.#buttons.children.length < buttons.length) this.#buttons.append(make("button", "button", { type: "button" }));
      const drawn = buttons.map((button, index) => [button, this.#buttons.children[index]]);
      for (const [button, element] of drawn) element.onclick = () => this.#press(button, element);
      if (submit) drawn.push([submit, this.#submit]);

      const began = performance.now();
      let waited, over;
      const tick = () => {
        const gone = (performance.now() - began) / 1000;
        const [left, wait] = [expires_in, resend_in].map((seconds) => Math.max(Math.ceil(seconds - gone), 0));
        for (const [button, element] of drawn) this.#draw(button, element, wait);
        if (waited && !wait && say) this.#live.textContent = say.again;
        waited = wait;
        write(this.#expiry, expiry?.replace("{clock}", clock(left)));
        // Announce it three times, not every second.
        const mark = [0, 10, 30].find((seconds) => left <= seconds) ?? null;
        if (expiry && mark !== null && mark !== this.#mark && this.#mark !== undefined) this.#live.textContent = say[mark];
        this.#mark = mark;
        if (expiry && !left && !over) this.#later(0.5);
        over = !left;
        if (over && !wait) clearInterval(this.#tick);
      };
      clearInterval(this.#tick);
      this.#tick = setInterval(tick, 1000);
      tick();
    }
  }

  if (!customElements.get("otpost-verify")) customElements.define("otpost-verify", OtpostVerify);
})();
