// The search field for the country of a number: a combobox after the ARIA Authoring Practices
// (https://www.w3.org/WAI/ARIA/apg/patterns/combobox/). It replaces the <select> of the page, which is still sent.
"use strict";

(() => {
  const select = document.querySelector("#country");
  const hint = (part) => document.querySelector(`#phone-hint [data-${part}]`);
  const make = (tag, attributes, ...content) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...content);
    return element;
  };
  // Two of these letters are shown as the flag of the country that they name, or as letters.
  const flag = (code) => String.fromCodePoint(...[...code].map((char) => 0x1f1e6 + char.charCodeAt(0) - 65));
  const globe = "🌐";
  // Ignore case, accents and marks.
  const folded = (text) =>
    text.normalize("NFKD").replace(/\p{M}/gu, "").replace(/[^\p{L}\p{N}+]+/gu, " ").trim().toLowerCase();

  const [none, ...countries] = select.options;

  const field = make("input", {
    id: "country", role: "combobox", autocomplete: "off", autocorrect: "off", spellcheck: "false",
    "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": "countries", placeholder: none.text,
  });
  const shown = make("span", { class: "flag", "aria-hidden": "true" });
  const list = make("ul", {
    id: "countries", class: "countries", role: "listbox", "aria-label": select.labels[0].textContent, hidden: "",
    tabindex: "-1", // a scrolling list would take the focus
  });
  const nothing = make("p", { class: "countries", role: "status", hidden: "" }, select.dataset.none);
  select.hidden = true;
  select.removeAttribute("id");
  select.after(make("div", { class: "combobox" }, shown, field, list, nothing));

  let choices = []; // one for each country
  let active = null; // the choice that Enter picks
  let typing = false; // whether the field holds a search, not a country

  // Made when the field first gets the focus: all countries take longer than the rest of the page.
  const fill = () => {
    const { lang } = document.documentElement;
    countries.sort((a, b) => a.text.localeCompare(b.text, lang));
    choices = countries.map((option) =>
      make("li", { id: `country-${option.value}`, role: "option", "aria-selected": "false" },
        make("span", { "aria-hidden": "true" }, flag(option.value)), option.text));
    list.append(...choices);
  };

  const activate = (choice) => {
    active?.setAttribute("aria-selected", "false");
    active = choice;
    active?.setAttribute("aria-selected", "true");
    active?.scrollIntoView({ block: "nearest" });
    if (active) field.setAttribute("aria-activedescendant", active.id);
    else field.removeAttribute("aria-activedescendant");
  };

  const tell = () => {
    const option = select.selectedOptions[0];
    const isOne = option !== none;
    const { example } = option.dataset;
    field.value = isOne ? option.text : "";
    shown.textContent = isOne ? flag(option.value) : globe;
    hint("national").hidden = !example;
    hint("international").hidden = Boolean(example);
    if (!example) return;
    hint("example").textContent = example;
    hint("country").textContent = option.text.replace(/ \(.*/, "");
  };

  const close = () => {
    list.hidden = nothing.hidden = true;
    field.setAttribute("aria-expanded", "false");
    activate(null);
    typing = false;
    tell();
  };

  const open = (words = "") => {
    const text = folded(words);
    const code = text.replace(/^(\+|00|(?=\d))/, "+");
    const fits = (option) =>
      [text, code].some((wanted) => ` ${folded(option.text)}`.includes(` ${wanted}`)) ||
      option.value.toLowerCase() === text;
    const found = choices.filter((choice, index) => (choice.hidden = !fits(countries[index])) === false);
    list.hidden = !found.length;
    nothing.hidden = Boolean(found.length);
    field.setAttribute("aria-expanded", String(!list.hidden));
    return found;
  };

  const take = (choice) => {
    select.value = choice.id.slice(-2);
    close();
  };

  const move = (step) => {
    const isOpen = !list.hidden;
    const found = isOpen ? choices.filter((choice) => !choice.hidden) : open();
    const last = active ?? (isOpen ? null : choices.find((choice) => choice.id.endsWith(`-${select.value}`)));
    if (!isOpen && last) activate(last);
    else activate(found.at((found.indexOf(last) + step + (last || step > 0 ? 0 : 1)) % found.length));
  };

  field.addEventListener("input", () => {
    typing = true;
    shown.textContent = globe;
    activate(null);
    const found = open(field.value);
    if (field.value.trim() && found.length) activate(found[0]);
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") move(event.key === "ArrowDown" ? 1 : -1);
    else if (!typing && list.hidden) return; // here Enter sends the form
    else if (event.key === "Enter" && active) take(active);
    else if (event.key === "Enter" || event.key === "Escape") close();
    else return;
    event.preventDefault();
  });
  field.addEventListener("click", () => (list.hidden ? move(1) : close()));
  field.addEventListener("focus", () => {
    if (!choices.length) fill();
    field.select();
  });
  field.addEventListener("blur", () => (typing && active ? take(active) : close()));
  list.addEventListener("mousedown", (event) => event.preventDefault()); // the focus stays in the field
  list.addEventListener("click", (event) => take(event.target.closest("li")));

  tell();
})();
