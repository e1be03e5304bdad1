// What a form says when it is sent.

/** Keeps the browser from sending the form anywhere; its fields by their names. */
export function sent(event: Event): (name: string) => string {
  event.preventDefault();
  const form = new FormData(event.currentTarget as HTMLFormElement);
  return (name) => {
    const value = form.get(name);
    return typeof value === "string" ? value : "";
  };
}
