/** The address is the state: filters, sort, tab, page and selection are its parameters, as plain text. */
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useCallback, useMemo } from 'react'

export type UrlState = Record<string, string>

/** `?a=1&b=x` as text; of a parameter that stands twice, the last counts. */
export function readSearch(text: string): UrlState {
  return Object.fromEntries(new URLSearchParams(text))
}

/** The other way; what is empty is left out. */
export function writeSearch(state: Record<string, unknown>): string {
  const found = new URLSearchParams()
  for (const [name, value] of Object.entries(state)) {
    if (value !== undefined && value !== null && value !== '') found.set(name, String(value))
  }
  const text = found.toString()
  return text ? `?${text}` : ''
}

/** What is every page's alike: how times are written, and whose view it is. Links within the console take it along, and no page sees it. */
const ALONG = ['tz', 'as']

/** Those of a search, as parameters. */
export function alongOf(state: Record<string, unknown>): UrlState {
  return Object.fromEntries(ALONG.flatMap((name) => (typeof state[name] === 'string' ? [[name, state[name]]] : [])))
}

/** A path with its parameters, and those that are taken along, unless it says them itself. Signing in begins anew. */
export function withAlong(to: string, along: UrlState): string {
  if (!Object.keys(along).length || to.startsWith('/login')) return to
  const at = to.indexOf('?')
  const [path, search] = at < 0 ? [to, ''] : [to.slice(0, at), to.slice(at)]
  return `${path}${writeSearch({ ...along, ...readSearch(search) })}`
}

/** The parameters that are every page's alike. */
export function useAlong(): UrlState {
  const text = useSearch({ strict: false, select: (state) => writeSearch(alongOf(state)) }) as string
  return useMemo(() => readSearch(text), [text])
}

/** The parameters of the address, and how to change some: undefined or "" takes one away. */
export function useUrl(): [UrlState, (changed: Record<string, string | undefined>, push?: boolean) => void] {
  const whole = useSearch({ strict: false }) as UrlState
  const state = useMemo(() => Object.fromEntries(Object.entries(whole).filter(([name]) => !ALONG.includes(name))), [whole])
  const navigate = useNavigate()
  const set = useCallback(
    (changed: Record<string, string | undefined>, push = false) => {
      void navigate({
        to: '.',
        search: ((before: UrlState) => {
          const after: UrlState = {}
          for (const [name, value] of Object.entries({ ...before, ...changed })) if (value) after[name] = value
          return after
        }) as never,
        replace: !push,
      })
    },
    [navigate],
  )
  return [state, set]
}
