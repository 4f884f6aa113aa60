document.querySelector("otpost-verify").addEventListener("otpost-verified", async () => {
  const found = await (await fetch("/verified")).json(); // the shop's backend asks Otpost: that counts, not the event
  document.querySelector("#phone").textContent = `${found.status}: ${found.phone}`;
});
