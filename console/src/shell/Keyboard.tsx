/** Listens to keys. */
import { lazy, Suspense, useLayoutEffect, useRef, useState } from 'react'

import { copy } from '../parts/Copied'
import { useGo } from '../parts/Go'
import { rowTexts } from '../parts/row'
import { useSay } from '../parts/Say'
import { bindings, meaning, pressed, SEQUENCE_MS, typing } from './keys'

const KeyList = lazy(async () => ({ default: (await import('./KeyList')).KeyList }))

const rows = () => [...document.querySelectorAll<HTMLElement>('tr[data-row]')]

/** What of a row is focused: its link, or else its first control, or else itself. */
const handle = (row: HTMLElement | undefined) => row?.querySelector<HTMLElement>('td a, td button, td input')

function move(by: 1 | -1): void {
  const all = rows()
  const at = all.findIndex((row) => row.contains(document.activeElement))
  const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1)
  const row = all[next]
  ;(row?.querySelector<HTMLElement>('td a') ?? handle(row) ?? row)?.focus()
}

/** From the button on, the next Tab goes into its panel. */
function openView(): void {
  const button = document.querySelector<HTMLElement>('[data-view]')
  button?.focus()
  button?.click()
}

function openCode(): void {
  ;[...document.querySelectorAll('button')].find((one) => one.textContent === 'Do this in code')?.click()
}

const current = () => rows().find((row) => row.contains(document.activeElement))

export function Keyboard({ openPalette }: { openPalette: () => void }) {
  const go = useGo()
  const say = useSay()
  const [listed, list] = useState(false)
  const before = useRef({ key: '', at: 0 })

  // Before anything is to be seen: no key that answers to what is seen is lost.
  useLayoutEffect(() => {
    const act = (id: string) => {
      if (id.startsWith('go:')) go(id.slice(3))
      else if (id === 'palette') openPalette()
      else if (id === 'help') list(true)
      else if (id === 'filter') document.querySelector<HTMLElement>('[data-filter] input, input[data-filter], .rows select')?.focus()
      else if (id === 'view') openView()
      else if (id === 'next') move(1)
      else if (id === 'previous') move(-1)
      else if (id === 'select') current()?.querySelector<HTMLElement>('input[type=checkbox]')?.click()
      else if (id === 'code') openCode()
      else if (id === 'copy' || id === 'yaml') {
        const row = current()
        const texts = row && rowTexts.get(row)
        if (!texts && id === 'yaml') openCode() // of the page's own object: the YAML is among it
        else if (!texts) say('Go to a row first', 'warning')
        else {
          const what = `${texts.reference}${id === 'yaml' ? ' as YAML' : ''}`
          void copy(id === 'copy' ? texts.reference : texts.yaml()).then((done) => (done ? say(`Copied ${what}`) : say(`Could not copy ${what}`, 'warning')))
        }
      }
    }
    const listen = (event: KeyboardEvent) => {
      const now = pressed(event)
      if (event.defaultPrevented || (typing(event.target) && !now.startsWith('mod+'))) return
      if (document.querySelector('[role=dialog], [popover]:popover-open')) return
      const { key, at } = before.current
      const found = meaning(event.timeStamp - at < SEQUENCE_MS ? key : '', now, bindings())
      before.current = { key: found === 'wait' ? now : '', at: event.timeStamp }
      if (found === null || found === 'wait') return
      event.preventDefault()
      act(found.id)
    }
    document.addEventListener('keydown', listen)
    return () => document.removeEventListener('keydown', listen)
  })

  return listed ? (
    <Suspense>
      <KeyList close={() => list(false)} />
    </Suspense>
  ) : null
}
