/** Where the server is: it writes the path under which it is reached into the page's `base`. */
const base = new URL('.', document.baseURI)

/** What stands before every route: "" or "/portreeve". */
export const prefix = base.pathname.replace(/\/$/, '')

/** The address of a path of the server, as "/api/v1/me" or "/assets/x.svg". */
export function address(path: string): string {
  return `${prefix}${path}`
}

/** The same with scheme and host, for commands that are run elsewhere. */
export function whole(path: string): string {
  return `${base.origin}${prefix}${path}`
}
