const widget = document.querySelector("otpost-verify");

widget.addEventListener("otpost-verified", async ({ detail }) => {
  // Trust what the shop's backend hears from Otpost, not this event. The proof shows that it was this browser.
  const found = await (await fetch("/verified", { method: "POST", body: detail.proof })).json();
  document.querySelector("#phone").textContent = `${found.status}: ${found.phone}`;
});

// Another tab has opened the session, or its time is over.
widget.addEventListener("otpost-error", async ({ detail }) => {
  if (!["opened_elsewhere", "session_expired"].includes(detail.code)) return;
  const made = await (await fetch("/session", { method: "POST" })).json();
  widget.setAttribute("session", made.id);
});
