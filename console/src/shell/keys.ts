/**
 * Keys, all listed under `?` and rebindable there; none acts while somebody types, or while a dialog is open. Kept in
 * this browser alone.
 */
import { PLACES } from './navigation'

export interface Binding {
  id: string
  title: string
  /** "g r" is g, then r; "mod+k" is Ctrl or Command with k. */
  keys: string
}

export const DEFAULTS: Binding[] = [
  { id: 'palette', title: 'Search and commands', keys: 'mod+k' },
  { id: 'filter', title: 'Go to the filter', keys: '/' },
  { id: 'next', title: 'Next row', keys: 'j' },
  { id: 'previous', title: 'Previous row', keys: 'k' },
  { id: 'select', title: 'Select the row', keys: 'x' },
  { id: 'copy', title: 'Copy the reference of the row', keys: 'c' },
  { id: 'yaml', title: 'Copy the row as YAML', keys: 'y' },
  { id: 'code', title: 'Do this in code', keys: 'd' },
  { id: 'view', title: 'Columns and density', keys: 'v' },
  { id: 'help', title: 'Keys', keys: '?' },
  ...PLACES.map((one) => ({ id: `go:${one.path}`, title: `Go to ${one.title}`, keys: `g ${one.key}` })),
]

const STORED = 'portreeve.keys'

/** The bindings of this browser; what is stored and is none is passed over. */
export function bindings(storage: Pick<Storage, 'getItem'> = localStorage): Binding[] {
  let own: Record<string, unknown> = {}
  try {
    const found: unknown = JSON.parse(storage.getItem(STORED) ?? '{}')
    if (typeof found === 'object' && found !== null) own = found as Record<string, unknown>
  } catch {
    // then they are the usual ones
  }
  return DEFAULTS.map((one) => ({ ...one, keys: typeof own[one.id] === 'string' ? (own[one.id] as string) : one.keys }))
}

/** Bind an action to other keys; "" to its usual ones. */
export function rebind(id: string, keys: string, storage: Pick<Storage, 'getItem' | 'setItem'> = localStorage): void {
  const own = Object.fromEntries(
    bindings(storage)
      .map((one) => [one.id, one.id === id ? keys : one.keys] as const)
      .filter(([name, now]) => now && now !== DEFAULTS.find((one) => one.id === name)?.keys),
  )
  storage.setItem(STORED, JSON.stringify(own))
}

interface Pressed {
  key: string
  ctrlKey: boolean
  metaKey: boolean
  altKey: boolean
}

/** A key as bindings write it. */
export function pressed(event: Pressed): string {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
  return `${event.ctrlKey || event.metaKey ? 'mod+' : ''}${event.altKey ? 'alt+' : ''}${key}`
}

export const SEQUENCE_MS = 1_000

/** What a key means after the one before it, if that was within `SEQUENCE_MS`. */
export function meaning(before: string, now: string, all: Binding[]): { id: string } | 'wait' | null {
  const whole = before ? `${before} ${now}` : now
  const found = all.find((one) => one.keys === whole)
  if (found) return { id: found.id }
  if (all.some((one) => one.keys.startsWith(`${whole} `))) return 'wait'
  return before ? meaning('', now, all) : null
}

/** Whether somebody types there. */
export function typing(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || target.matches('input:not([type=checkbox]):not([type=radio]), textarea, select'))
  )
}
