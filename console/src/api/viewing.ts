/**
 * Whose view this page is: a platform-admin may look at the console as another user does, by `?as=NAME`. It is read once,
 * when the page is loaded, so that what is asked for and what is shown can never be of two people.
 */

/** The name in the address, "" for one's own view. */
export const viewing = new URLSearchParams(window.location.search).get('as') ?? ''

/** What each request carries then. A header is ASCII, as names are: what is none is nobody's. */
export const viewingHeaders: Record<string, string> = viewing ? { 'Portreeve-View-As': /^[!-~]{1,253}$/.test(viewing) ? viewing : '?' } : {}
