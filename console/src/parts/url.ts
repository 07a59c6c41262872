/** The address is the state: filters, sort, tab, page and selection are its parameters, as plain text. */
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useCallback } from 'react'

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

/** The parameters of the address, and how to change some: undefined or "" takes one away. */
export function useUrl(): [UrlState, (changed: Record<string, string | undefined>, push?: boolean) => void] {
  const state = useSearch({ strict: false }) as UrlState
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
