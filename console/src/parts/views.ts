/**
 * Saved views: names for addresses of the console. They are a reader's own and are kept in this browser alone; to share
 * one is to send its address, which is all there is to it.
 */
import { readSearch, writeSearch } from './url'

export interface SavedView {
  name: string
  /** The path of its page, as "/registries". */
  page: string
  /** What the page is asked for, as "?sort=name". */
  search: string
}

const STORED = 'portreeve.views'
const LONGEST = 60
/** Of all pages together: a browser keeps little. */
export const MOST = 100

type Reads = Pick<Storage, 'getItem'>
type Writes = Pick<Storage, 'getItem' | 'setItem'>

function isView(one: unknown): one is SavedView {
  if (typeof one !== 'object' || one === null) return false
  const { name, page, search } = one as Record<string, unknown>
  // A page begins with one slash: "//elsewhere" would be another place.
  return typeof name === 'string' && name !== '' && typeof page === 'string' && /^\/(?!\/)/.test(page) && typeof search === 'string' && /^(\?|$)/.test(search)
}

/** What this browser keeps, in the order of names; what is stored and is none is passed over. */
export function savedViews(storage: Reads = localStorage): SavedView[] {
  try {
    const found: unknown = JSON.parse(storage.getItem(STORED) ?? '[]')
    return Array.isArray(found) ? found.filter(isView).sort((a, b) => a.name.localeCompare(b.name, 'en')) : []
  } catch {
    return []
  }
}

/** Where a view leads. */
export function addressOf({ page, search }: SavedView): string {
  return `${page}${search}`
}

/** What no view keeps: the page of rows that is open, and whose view it is (`api/viewing`). */
const PASSING = /(^|-)cursor$|^as$/

/** Keep a page as it is asked for now, but for what passes. One of that name is replaced. */
export function saveView(name: string, page: string, asked: Record<string, unknown>, storage: Writes = localStorage): boolean {
  const called = name.trim().slice(0, LONGEST)
  const search = Object.fromEntries(Object.entries(asked).filter(([one]) => !PASSING.test(one)))
  const others = savedViews(storage).filter((one) => one.page !== page || one.name !== called)
  const added = { name: called, page, search: writeSearch(search) }
  if (!isView(added) || others.length >= MOST) return false
  storage.setItem(STORED, JSON.stringify([...others, added]))
  return true
}

export function removeView(view: SavedView, storage: Writes = localStorage): void {
  const left = savedViews(storage).filter((one) => one.page !== view.page || one.name !== view.name)
  storage.setItem(STORED, JSON.stringify(left))
}

/** Whether a page is now as a view has it. */
export function isShown({ search }: SavedView, asked: Record<string, unknown>): boolean {
  const plain = (text: string) => JSON.stringify(Object.entries(readSearch(text)).filter(([one]) => !PASSING.test(one)).sort())
  return plain(search) === plain(writeSearch(asked))
}
