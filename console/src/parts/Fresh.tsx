/** How old a number is, and from how many places it is told: every number has one. */
import { useEffect, useState } from 'react'

import { relative } from './time'

/** The time, anew each `every` milliseconds, so that "42 s ago" does not stand still. */
export function useNow(every = 10_000): number {
  const [now, set] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => set(Date.now()), every)
    return () => clearInterval(timer)
  }, [every])
  return now
}

/** An instant, relative; ISO on hover and for a screen reader's `time`. */
export function When({ at, none = 'never' }: { at: string | null | undefined; none?: string }) {
  const now = useNow()
  if (!at) return <span>{none}</span>
  return (
    <time dateTime={at} title={at}>
      {relative(at, now)}
    </time>
  )
}

/** As `When`, for what has been: the page's clock ticks in steps, and a number must not seem to come from the future. */
function Since({ at }: { at: string }) {
  const now = useNow()
  return (
    <time dateTime={at} title={at}>
      {relative(at, Math.max(now, Date.parse(at)))}
    </time>
  )
}

export interface FreshProps {
  /** When it was told, or was asked for. */
  at: string | number | null | undefined
  /** What it is that was told. */
  what?: string
  /** How many of how many places told it. */
  from?: { told: number; all: number; of?: string }
}

export function Fresh({ at, what = 'as of', from }: FreshProps) {
  const text = typeof at === 'number' ? (at ? new Date(at).toISOString() : null) : at
  return (
    <span className="fresh">
      {what} {text ? <Since at={text} /> : 'never told'}
      {from ? `, from ${from.told} of ${from.all} ${from.of ?? 'environments'}` : ''}
    </span>
  )
}
