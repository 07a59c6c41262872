/** A checklist as it happens: server-sent events, read through fetch, as EventSource can only GET. */
import { address } from '../../api/place'
import { problemOf } from '../../api/problem'
import { viewingHeaders } from '../../api/viewing'
import type { Check } from './model'

export interface Ended {
  outcome: 'ok' | 'failed' | 'unknown'
  credential: string | null
  checkedAt: string
  ms: number
  checks: Check[]
}

/** The events in what has come so far, and what is left of one that is not whole. Source: HTML, 9.2.6. */
export function eventsIn(text: string): [events: unknown[], rest: string] {
  const parts = text.split(/\r?\n\r?\n/)
  const rest = parts.pop() ?? ''
  const events = parts.flatMap((part) => {
    const data = part
      .split(/\r?\n/)
      .filter((line) => line.startsWith('data:'))
      .map((line) => line.slice(5).replace(/^ /, ''))
      .join('\n')
    return data ? [JSON.parse(data) as unknown] : []
  })
  return [events, rest]
}

/** Validate a registry; `found` hears of each stage. Throws `Problem`. */
export async function validate(
  name: string,
  found: (check: Check) => void,
  options: { image?: string; purpose?: string; signal?: AbortSignal } = {},
): Promise<Ended> {
  const query = new URLSearchParams()
  if (options.image) query.set('image', options.image)
  if (options.purpose) query.set('purpose', options.purpose)
  const response = await fetch(address(`/api/v1/registries/${encodeURIComponent(name)}/validate?${query.toString()}`), {
    method: 'POST',
    credentials: 'same-origin',
    headers: { Accept: 'text/event-stream', ...viewingHeaders },
    ...(options.signal ? { signal: options.signal } : {}),
  })
  if (!response.ok || !response.body) throw problemOf(await response.json().catch(() => null), response.status)
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  for (;;) {
    const { done, value } = await reader.read()
    const [events, rest] = eventsIn(text + (value ?? ''))
    text = rest
    for (const event of events as { type: string; object: unknown }[]) {
      if (event.type === 'CHECK') found(event.object as Check)
      if (event.type === 'DONE') return event.object as Ended
    }
    if (done) throw new TypeError('the connection ended before the checklist did')
  }
}
