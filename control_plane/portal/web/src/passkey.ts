/** Says on the page what became of a passkey; the scripts that talk to the browser only tell the console. */
document.addEventListener("allauth.error", (event) => {
  const problem = document.getElementById("passkey-problem");
  if (!problem) return;
  event.preventDefault();
  problem.hidden = false;
});
