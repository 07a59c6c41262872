/** The head of a wizard's step. What had the focus is gone with the step before: it goes here, and the head is read out. */
import { useEffect, useRef, type ReactNode } from 'react'

export function StepTitle({ children }: { children: ReactNode }) {
  const head = useRef<HTMLHeadingElement>(null)
  useEffect(() => head.current?.focus(), [])
  return (
    <h2 ref={head} tabIndex={-1} className="step-title">
      {children}
    </h2>
  )
}
