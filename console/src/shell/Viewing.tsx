/** What stands above each page while somebody looks at it as another user does. */
import { Alert } from '@patternfly/react-core'
import { useEffect } from 'react'

import { useMe } from '../api/session'
import { viewing, viewingHeaders } from '../api/viewing'
import { useSay } from '../parts/Say'
import { useAlong } from '../parts/url'
import { own } from './own'

/** A file that a link offers, as the other would get it: the browser by itself would ask for one's own. */
async function fetched(link: HTMLAnchorElement): Promise<void> {
  const answer = await fetch(link.href, { credentials: 'same-origin', headers: viewingHeaders })
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`)
  const named = /filename="([^"]+)"/.exec(answer.headers.get('Content-Disposition') ?? '')?.[1]
  const made = document.createElement('a')
  made.href = URL.createObjectURL(await answer.blob())
  made.download = link.download || named || new URL(link.href).pathname.split('/').pop() || 'file'
  made.click()
  setTimeout(() => URL.revokeObjectURL(made.href), 10_000)
}

export function Viewing() {
  const { data: me } = useMe()
  const along = useAlong()
  const say = useSay()
  useEffect(() => {
    const follow = (event: MouseEvent) => {
      const link = event.target instanceof Element ? event.target.closest<HTMLAnchorElement>('a[download]') : null
      if (!link || link.protocol === 'blob:') return
      event.preventDefault()
      void fetched(link).catch((error: unknown) => say(`The file could not be fetched: ${String(error)}`, 'warning'))
    }
    document.addEventListener('click', follow, true)
    return () => document.removeEventListener('click', follow, true)
  }, [say])
  // Another name in the address, or none any more, is another page.
  useEffect(() => {
    if ((along.as ?? '') !== viewing) window.location.reload()
  }, [along.as])
  return (
    <Alert
      variant="warning"
      isInline
      title={`You see the console as ${viewing} does`}
      actionLinks={<a href={own(window.location)}>Stop, and see it as {me?.askedBy ?? 'yourself'}</a>}
    >
      <p>Rows, buttons and verdicts are theirs. You can only look: nothing can be planned or changed, and what is logged names you.</p>
    </Alert>
  )
}
