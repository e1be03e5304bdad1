// Who the program says that it is.

/** What the gateway is shown. */
export interface Identity {
  /** An API key of the gateway. */
  apiKey?: string;
  /** A bearer token, or what gets one: it is asked for each call, so that tokens that expire are fresh. */
  token?: string | (() => string | Promise<string>);
}

/** The metadata that says who calls. */
export async function authorization({ apiKey, token }: Identity): Promise<Record<string, string>> {
  const key = apiKey ?? (typeof token === "function" ? await token() : token);
  return key ? { authorization: `Bearer ${key}` } : {};
}
