// The version of this package, for the user agent.

export const VERSION = "0.1.0";
