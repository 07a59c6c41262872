/** A button for an action that not everybody may do: without the right it stays, cannot be pressed, and says who can. */
import { Button, Tooltip, type ButtonProps } from '@patternfly/react-core'

import { useMay } from '../api/session'

export interface WhoProps extends Omit<ButtonProps, 'ref'> {
  kind: string
  action: string
}

export function MayButton({ kind, action, children, ...rest }: WhoProps) {
  const may = useMay(kind, action)
  if (may.allowed) return <Button {...rest}>{children}</Button>
  return (
    <Tooltip content={may.who}>
      <Button {...rest} isAriaDisabled>
        {children}
      </Button>
    </Tooltip>
  )
}
