/** How old a number is, and from how many places it is told: every number has one. */
import { useEffect, useState } from 'react'

import { instant, relative, zoneOf } from './time'
import { useAlong } from './url'

/** The time, anew each `every` milliseconds, so that "42 s ago" does not stand still. */
export function useNow(every = 10_000): number {
  const [now, set] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => set(Date.now()), every)
    return () => clearInterval(timer)
  }, [every])
  return now
}

/** An instant, relative or as the address asks for times; ISO on hover and for a screen reader's `time`. `past`: it cannot lie ahead of us. */
export function When({ at, none = 'never', past = false }: { at: string | null | undefined; none?: string; past?: boolean }) {
  const clock = useNow()
  const zone = zoneOf(useAlong().tz)
  // The clock here goes in steps: what came since the last one is of now.
  const now = past && at ? Math.max(clock, Date.parse(at)) : clock
  if (!at) return <span>{none}</span>
  return (
    <time dateTime={at} title={at}>
      {zone ? instant(at, zone) : relative(at, now)}
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
      {text ? (
        <>
          {what} <When at={text} past />
        </>
      ) : (
        'never told'
      )}
      {from ? `, from ${from.told} of ${from.all} ${from.of ?? (from.all === 1 ? 'environment' : 'environments')}` : ''}
    </span>
  )
}
