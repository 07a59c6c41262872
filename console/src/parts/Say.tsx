/** What happened, said once: shown for a while, and read out by screen readers. */
import { Alert, AlertActionCloseButton, AlertGroup } from '@patternfly/react-core'
import { createContext, useCallback, useContext, useEffect, useRef, useState, type ReactNode } from 'react'

type Variant = 'success' | 'info' | 'danger' | 'warning'
type Say = (text: string, variant?: Variant) => void

const Saying = createContext<Say>(() => undefined)

/** `say('Deleted harbor')`. */
export function useSay(): Say {
  return useContext(Saying)
}

const SHOWN_MS = 8_000

export function SayProvider({ children }: { children: ReactNode }) {
  const [said, set] = useState<{ id: number; text: string; variant: Variant }[]>([])
  const next = useRef(0)
  const timers = useRef(new Set<ReturnType<typeof setTimeout>>())
  useEffect(() => {
    const all = timers.current
    return () => all.forEach(clearTimeout)
  }, [])
  const drop = useCallback((id: number) => set((all) => all.filter((one) => one.id !== id)), [])
  const say = useCallback<Say>(
    (text, variant = 'success') => {
      const id = next.current++
      set((all) => [...all.slice(-3), { id, text, variant }])
      // What went wrong stays until it is closed.
      if (variant !== 'danger') {
        const timer = setTimeout(() => {
          timers.current.delete(timer)
          drop(id)
        }, SHOWN_MS)
        timers.current.add(timer)
      }
    },
    [drop],
  )
  return (
    <Saying.Provider value={say}>
      {children}
      <div role="status" aria-live="polite" className="off-screen" data-testid="said">
        {said.map((one) => one.text).join('. ')}
      </div>
      <AlertGroup isToast>
        {said.map((one) => (
          <Alert
            key={one.id}
            variant={one.variant}
            title={one.text}
            actionClose={<AlertActionCloseButton title={one.text} onClose={() => drop(one.id)} />}
          />
        ))}
      </AlertGroup>
    </Saying.Provider>
  )
}
