/** An empty list teaches: what will stand here, and the one command or button that fills it. */
import { EmptyState, EmptyStateActions, EmptyStateBody, EmptyStateFooter } from '@patternfly/react-core'
import type { ReactNode } from 'react'

import { Copied } from './Copied'

export interface TeachProps {
  title: string
  /** What this page will show. */
  children: ReactNode
  /** The command that fills it. */
  command?: string
  /** The same by button. */
  action?: ReactNode
  headingLevel?: 'h2' | 'h3'
}

export function Teach({ title, children, command, action, headingLevel = 'h2' }: TeachProps) {
  return (
    <EmptyState headingLevel={headingLevel} titleText={title} variant="sm">
      <EmptyStateBody>{children}</EmptyStateBody>
      <EmptyStateFooter>
        {action ? <EmptyStateActions>{action}</EmptyStateActions> : null}
        {command ? <Copied text={command} what="the command" /> : null}
      </EmptyStateFooter>
    </EmptyState>
  )
}
