/** The saved views of a page, and how one is made. Loaded when it is first opened. */
import { Button, TextInput } from '@patternfly/react-core'
import { useLocation } from '@tanstack/react-router'
import { useId, useState, type FormEvent } from 'react'

import { whole } from '../api/place'
import { CopyButton } from './Copied'
import { Go } from './Go'
import { useSay } from './Say'
import { addressOf, isShown, MOST, removeView, savedViews, saveView } from './views'

/** The page as it is asked for now, under a name of one's own. */
export function SavedViews({ close }: { close: () => void }) {
  const { pathname, search } = useLocation()
  const [all, set] = useState(savedViews)
  const [name, call] = useState('')
  const say = useSay()
  const id = useId()
  const save = (event: FormEvent) => {
    event.preventDefault()
    const done = saveView(name, pathname, search)
    say(done ? `Saved ${name.trim()}` : `Not saved: a view needs a name, and ${MOST} are kept`)
    set(savedViews())
    if (done) call('')
  }
  return (
    <section aria-labelledby={id}>
      <h2 id={id}>Saved views</h2>
      <ul>
        {all
          .filter((one) => one.page === pathname)
          .map((one) => (
            <li key={one.name}>
              <Go to={addressOf(one)} onClick={close} {...(isShown(one, search) ? { 'aria-current': 'page' as const } : {})}>
                {one.name}
              </Go>
              <CopyButton text={whole(addressOf(one))} what={`the link of ${one.name}`} />
              <Button
                variant="plain"
                aria-label={`Remove the view ${one.name}`}
                onClick={() => {
                  removeView(one)
                  set(savedViews())
                  say(`Removed ${one.name}`)
                }}
              >
                ×
              </Button>
            </li>
          ))}
      </ul>
      <form onSubmit={save}>
        <TextInput aria-label="Name of this view" placeholder="Name of this view" value={name} onChange={(_, typed) => call(typed)} />
        <Button type="submit" variant="secondary">
          Save
        </Button>
      </form>
      <p className="fresh">Kept in this browser. To share a view, send its link.</p>
    </section>
  )
}
