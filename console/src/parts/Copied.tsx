/** A text to be taken along: shown as it is, with a button that copies it and says that it did. */
import { Button } from '@patternfly/react-core'
import CopyIcon from '@patternfly/react-icons/dist/esm/icons/copy-icon'
import { useState } from 'react'

import { useSay } from './Say'

/** Copy to the clipboard; by a hidden field where the page is not secure and has no clipboard of its own. */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const field = document.createElement('textarea')
    field.value = text
    field.className = 'off-screen'
    document.body.append(field)
    field.select()
    // Deprecated, and the only way on plain http elsewhere than on this machine.
    const done = document.execCommand('copy')
    field.remove()
    return done
  }
}

export function CopyButton({ text, what }: { text: string; what: string }) {
  const [done, set] = useState(false)
  const say = useSay()
  return (
    <Button
      variant="plain"
      icon={<CopyIcon />}
      aria-label={`Copy ${what}`}
      title={done ? 'Copied' : `Copy ${what}`}
      onClick={async () => {
        const copied = await copy(text)
        set(copied)
        say(copied ? `Copied ${what}` : `Could not copy ${what}: select it and copy it by hand`)
      }}
    />
  )
}

/** A text with its button; `block` keeps its lines. */
export function Copied({ text, what }: { text: string; what: string }) {
  return (
    <div className="copied">
      {/* Focusable, as it may have to be scrolled by keyboard (WCAG 2.1.1). */}
      <pre tabIndex={0} aria-label={what}>
        <code>{text}</code>
      </pre>
      <CopyButton text={text} what={what} />
    </div>
  )
}
