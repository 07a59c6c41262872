/** Where the focus goes when a dialog is done and what opened it is gone: into the page, not back to its top. */
import { useEffect } from 'react'

/** A dialog gives the focus back to what opened it, a moment after it has closed. */
const MOMENT_MS = 100

export function useFocusBack(): void {
  useEffect(
    () => () => {
      setTimeout(() => {
        if (document.activeElement && document.activeElement !== document.body) return
        document.getElementById('main')?.focus({ preventScroll: true })
      }, MOMENT_MS)
    },
    [],
  )
}
