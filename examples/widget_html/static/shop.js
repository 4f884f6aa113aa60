const widget = document.querySelector("otpost-verify");

widget.addEventListener("otpost-verified", async ({ detail }) => {
  // The shop's backend asks Otpost: that counts, not the event. The proof says that it was this browser.
  const found = await (await fetch("/verified", { method: "POST", body: detail.proof })).json();
  document.querySelector("#phone").textContent = `${found.status}: ${found.phone}`;
});
