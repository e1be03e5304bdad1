// Copies a text to where it can be pasted from.

export async function copy(text: string): Promise<void> {
  if (window.isSecureContext) return navigator.clipboard.writeText(text);
  // A page that came neither by TLS nor from this machine has no clipboard; it can still answer a copy of its own.
  const answer = (event: ClipboardEvent) => {
    event.clipboardData!.setData("text/plain", text);
    event.preventDefault();
  };
  document.addEventListener("copy", answer);
  const done = document.execCommand("copy");
  document.removeEventListener("copy", answer);
  if (!done) throw new Error("the browser does not copy");
}
