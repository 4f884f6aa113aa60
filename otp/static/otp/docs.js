// Makes the calls of the API's page, and shows the answers. Without this script, the page is read-only.
"use strict";

(() => {
  const key = document.getElementById("key");

  // Build a request: the fields go into the URL and the headers, and the body is sent unchanged.
  function asked(form) {
    const headers = { Authorization: `Bearer ${key.value.trim()}` };
    const query = new URLSearchParams();
    let path = form.dataset.path;
    for (const { name, value, dataset } of form.querySelectorAll("[data-place]")) {
      if (dataset.place === "path") path = path.replace(`{${name}}`, encodeURIComponent(value));
      else if (value && dataset.place === "query") query.set(name, value);
      else if (value) headers[name] = value;
    }
    const body = form.elements.body?.value || undefined;
    if (body) headers["Content-Type"] = "application/json";
    return [`${path}${query.size ? `?${query}` : ""}`, { method: form.dataset.method, headers, body, credentials: "omit" }];
  }

  // Fill the id of what was created into the calls that come next.
  function fill(group, id) {
    for (const form of document.querySelectorAll(`form[data-group="${group}"]`))
      for (const input of form.querySelectorAll('[data-place="path"]')) input.value = id;
  }

  function show(result, head, text) {
    const line = document.createElement("p");
    line.textContent = head;
    const body = document.createElement("pre");
    body.textContent = text;
    result.replaceChildren(line, ...(text ? [body] : []));
  }

  async function send(event) {
    event.preventDefault();
    const form = event.target;
    const result = form.parentElement.querySelector(".result");
    try {
      const answer = await fetch(...asked(form));
      const text = await answer.text();
      const content = text && answer.headers.get("Content-Type").includes("json") ? JSON.parse(text) : null;
      if (answer.ok && content?.id) fill(form.dataset.group, content.id);
      show(result, `${answer.status} ${answer.statusText}`, content ? JSON.stringify(content, null, 2) : text);
    } catch (error) {
      show(result, "It could not be sent, or there is no answer.", String(error));
    }
  }

  for (const part of document.querySelectorAll("#access, .try")) part.hidden = false;
  for (const form of document.querySelectorAll(".try form")) form.addEventListener("submit", send);
})();
