// Runs before the first paint, so that a chosen theme never flashes. It is a
// file and not inline because the Content Security Policy forbids inline script.
try {
  document.documentElement.dataset.theme = localStorage.getItem("thumbprint.theme") || "system";
} catch {
  // Storage may be blocked; "system" stands in the HTML already.
}
