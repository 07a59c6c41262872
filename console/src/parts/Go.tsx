/** A link within the console. Paths are made at run time from names, so they are plain text here. */
import { useRouter } from '@tanstack/react-router'
import type { MouseEvent, ReactNode } from 'react'

import { address } from '../api/place'
import { alongOf, useAlong, withAlong } from './url'

export interface GoProps {
  /** Path with its parameters, as "/registries/harbor?tab=grants"; parts of names are encoded by `here`. */
  to: string
  children: ReactNode
  className?: string
  'aria-label'?: string
  'aria-current'?: 'page'
  id?: string
  /** What is around it may want to know, too: a navigation item lays a handler of its own upon its link. */
  onClick?: (event: MouseEvent<HTMLAnchorElement>) => void
}

/** A path of the console: each part is encoded, whatever is in it. */
export function here(...parts: string[]): string {
  return `/${parts.map(encodeURIComponent).join('/')}`
}

/** How to go to a path of the console from code. */
export function useGo(): (to: string, replace?: boolean) => void {
  const router = useRouter()
  return (to, replace = false) => {
    const href = address(withAlong(to, alongOf(router.state.location.search)))
    if (replace) router.history.replace(href)
    else router.history.push(href)
  }
}

export function Go({ to, children, onClick, ...rest }: GoProps) {
  const go = useGo()
  const along = useAlong()
  const follow = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event)
    // What the browser does by itself with other keys and buttons (new tab, window, save) is left to it.
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    event.preventDefault()
    go(to)
  }
  return (
    <a {...rest} href={address(withAlong(to, along))} onClick={follow}>
      {children}
    </a>
  )
}
