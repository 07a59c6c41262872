/** Listens to keys, and has the list of them. */
import { Button, Modal, ModalBody, ModalHeader, TextInput } from '@patternfly/react-core'
import { useEffect, useRef, useState } from 'react'

import { copy } from '../parts/Copied'
import { useGo } from '../parts/Go'
import { rowTexts } from '../parts/row'
import { useSay } from '../parts/Say'
import { bindings, meaning, pressed, rebind, SEQUENCE_MS, typing } from './keys'

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

function openCode(): void {
  ;[...document.querySelectorAll('button')].find((one) => one.textContent === 'Do this in code')?.click()
}

const current = () => rows().find((row) => row.contains(document.activeElement))

export function Keyboard({ openPalette }: { openPalette: () => void }) {
  const go = useGo()
  const say = useSay()
  const [listed, list] = useState(false)
  const before = useRef({ key: '', at: 0 })

  useEffect(() => {
    const act = (id: string) => {
      if (id.startsWith('go:')) go(id.slice(3))
      else if (id === 'palette') openPalette()
      else if (id === 'help') list(true)
      else if (id === 'filter') document.querySelector<HTMLElement>('[data-filter] input, input[data-filter], .rows select')?.focus()
      else if (id === 'view') document.querySelector<HTMLElement>('[data-view]')?.click()
      else if (id === 'next') move(1)
      else if (id === 'previous') move(-1)
      else if (id === 'select') current()?.querySelector<HTMLElement>('input[type=checkbox]')?.click()
      else if (id === 'code') openCode()
      else if (id === 'copy' || id === 'yaml') {
        const row = current()
        const texts = row && rowTexts.get(row)
        if (!texts && id === 'yaml') openCode() // of the page's own object: the YAML is among it
        else if (!texts) say('Go to a row first')
        else void copy(id === 'copy' ? texts.reference : texts.yaml()).then((done) => say(done ? `Copied ${texts.reference}${id === 'yaml' ? ' as YAML' : ''}` : 'Could not copy'))
      }
    }
    const listen = (event: KeyboardEvent) => {
      const now = pressed(event)
      if (event.defaultPrevented || (typing(event.target) && !now.startsWith('mod+'))) return
      if (document.querySelector('[role=dialog]')) return
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

  return listed ? <Listed close={() => list(false)} /> : null
}

function Listed({ close }: { close: () => void }) {
  const [all, set] = useState(bindings)
  const change = (id: string, keys: string) => {
    rebind(id, keys.trim())
    // What is being typed stays as it is: "g " is on its way to "g r".
    set(bindings().map((one) => (one.id === id ? { ...one, keys } : one)))
  }
  const usual = (id: string) => {
    rebind(id, '')
    set(bindings())
  }
  return (
    <Modal isOpen onClose={close} variant="medium" aria-label="Keys">
      <ModalHeader title="Keys" description="They act wherever nobody types. Other keys are kept in this browser." />
      <ModalBody>
        <table className="plain">
          <thead>
            <tr>
              <th scope="col">Does</th>
              <th scope="col">Keys</th>
              <th scope="col">
                <span className="off-screen">Back to the usual ones</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {all.map((one) => (
              <tr key={one.id}>
                <td>{one.title}</td>
                <td>
                  <TextInput aria-label={`Keys for: ${one.title}`} value={one.keys} onChange={(_, keys) => change(one.id, keys)} />
                </td>
                <td>
                  <Button variant="link" onClick={() => usual(one.id)} aria-label={`Usual keys for: ${one.title}`}>
                    Usual
                  </Button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </ModalBody>
    </Modal>
  )
}
