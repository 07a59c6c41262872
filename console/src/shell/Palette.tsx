/** Ctrl-K or Command-K: go to any object, run any action. */
import { Modal, ModalBody, ModalHeader, SearchInput } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useDeferredValue, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react'

import { send } from '../api/client'
import type { Document, List } from '../api/documents'
import { here, useGo } from '../parts/Go'
import { addressOf, savedViews } from '../parts/views'
import { PLACES } from './navigation'

interface Entry {
  title: string
  about: string
  to: string
}

/** Actions that have a page of their own. */
const ACTIONS: Entry[] = [
  { title: 'Add a registry', about: 'from a provider or from anything pasted', to: '/registries/add' },
  { title: 'Add an environment', about: 'a cluster, by one command', to: '/environments?add=1' },
  { title: 'New policy', about: 'restrict where images come from', to: '/policies/new' },
  { title: 'Request an exemption', about: 'for an image, for a while', to: '/exemptions/new' },
  { title: 'Why was I blocked?', about: 'explain a refusal', to: '/why' },
]

/** Kinds that are searched, with the first part of their pages. */
const SEARCHED: [string, string][] = [
  ['registries', 'registries'],
  ['policies', 'policies'],
  ['environments', 'environments'],
  ['groups', 'groups'],
]

const MOST = 12

function useObjects(text: string): Entry[] {
  const { data } = useQuery({
    queryKey: ['palette'],
    staleTime: 30_000,
    queryFn: async () => {
      const lists = await Promise.all(
        SEARCHED.map(async ([plural, page]) => {
          try {
            const found = await send<List<Document<{ title?: string }>>>(`/api/v1/${plural}`, { query: { limit: 200 } })
            return found.items.map((one) => ({
              title: one.spec.title ? `${one.spec.title} (${one.metadata.name})` : one.metadata.name,
              about: one.kind,
              to: here(page, one.metadata.name),
            }))
          } catch {
            return [] // what may not be listed is not found here either
          }
        }),
      )
      return lists.flat()
    },
  })
  return text ? (data ?? []) : []
}

/** Every word stands somewhere in it; what begins with the text comes first. */
export function matching(entries: Entry[], text: string): Entry[] {
  const wanted = text.toLowerCase().split(/\s+/).filter(Boolean)
  const found = entries.filter((one) => wanted.every((word) => `${one.title} ${one.about}`.toLowerCase().includes(word)))
  const first = (one: Entry) => (one.title.toLowerCase().startsWith(wanted[0] ?? '') ? 0 : 1)
  return found.sort((a, b) => first(a) - first(b)).slice(0, MOST)
}

export function Palette({ open, close }: { open: boolean; close: () => void }) {
  if (!open) return null
  return (
    <Modal isOpen onClose={close} variant="medium" position="top" aria-label="Search and commands" elementToFocus="#palette-text">
      <ModalHeader title="Search and commands" />
      <ModalBody>
        <Finder close={close} />
      </ModalBody>
    </Modal>
  )
}

function Finder({ close }: { close: () => void }) {
  const [text, set] = useState('')
  const [at, move] = useState(0)
  const go = useGo()
  const objects = useObjects(useDeferredValue(text))
  const views = useMemo(() => savedViews().map((one) => ({ title: one.name, about: `saved view of ${one.page}`, to: addressOf(one) })), [])
  const found = matching([...PLACES.map((one) => ({ title: one.title, about: one.about, to: one.path })), ...ACTIONS, ...views, ...objects], text)
  const input = useRef<HTMLInputElement>(null)
  // The dialog moves the focus a moment after it is there. Who types on at once would lose the first letters.
  useLayoutEffect(() => input.current?.focus(), [])
  useEffect(() => move(0), [text])
  const run = (entry: Entry | undefined) => {
    if (!entry) return
    close()
    go(entry.to)
  }
  return (
    <>
      <SearchInput
        ref={input}
        searchInputId="palette-text"
        aria-label="What to find or do"
        placeholder="A registry, policy, environment, page or action"
        value={text}
        onChange={(_, typed) => set(typed)}
        onClear={() => set('')}
        onKeyDown={(event) => {
          if (event.key === 'ArrowDown') move(Math.min(at + 1, found.length - 1))
          else if (event.key === 'ArrowUp') move(Math.max(at - 1, 0))
          else if (event.key === 'Enter') run(found[at])
          else return
          event.preventDefault()
        }}
      />
      <ul className="palette" aria-label="Found">
        {found.map((one, index) => (
          <li key={`${one.to} ${one.title}`} className={index === at ? 'at' : ''}>
            <button type="button" onClick={() => run(one)}>
              <span>{one.title}</span> <span className="fresh">{one.about}</span>
            </button>
          </li>
        ))}
      </ul>
      <p role="status" className="fresh">
        {found.length ? `${found.length} found; ${found[at]?.title ?? ''} is chosen` : 'Nothing is called like that.'}
      </p>
    </>
  )
}
