// Asks for a token, where the gateway wants one.

import { useState } from "preact/hooks";
import { credentials, signIn } from "./caller";

export function SignIn() {
  const [given, setGiven] = useState("");
  const submit = (event: Event) => {
    event.preventDefault();
    if (given.trim()) signIn(given.trim());
  };
  return (
    <form class="signin" onSubmit={submit}>
      <h1>Who are you?</h1>
      <p>This gateway asks its callers for an API key or token. What you may see and do is what its rules say.</p>
      {credentials.value === "refused" && (
        <p class="problem" role="alert">
          The gateway does not take this one.
        </p>
      )}
      <label>
        API key or token
        <input
          type="password"
          name="token"
          autocomplete="off"
          autoFocus
          value={given}
          onInput={(event) => setGiven(event.currentTarget.value)}
        />
      </label>
      <p class="quiet">It is kept in this page’s memory and forgotten when the page is closed.</p>
      <button type="submit" class="primary">
        Sign in
      </button>
    </form>
  );
}
