/** State is on two axes, each a word, an icon and a colour. What is not known is said so, and is never green. */
import { Label, type LabelProps } from '@patternfly/react-core'
import BanIcon from '@patternfly/react-icons/dist/esm/icons/ban-icon'
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon'
import ClockIcon from '@patternfly/react-icons/dist/esm/icons/clock-icon'
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon'
import ExclamationTriangleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-triangle-icon'
import EyeIcon from '@patternfly/react-icons/dist/esm/icons/eye-icon'
import MinusCircleIcon from '@patternfly/react-icons/dist/esm/icons/minus-circle-icon'
import PluggedIcon from '@patternfly/react-icons/dist/esm/icons/unplugged-icon'
import UnknownIcon from '@patternfly/react-icons/dist/esm/icons/question-circle-icon'
import type { ComponentType, ReactNode } from 'react'

interface Look {
  color: NonNullable<LabelProps['color']>
  Icon: ComponentType
}

const good: Look = { color: 'green', Icon: CheckCircleIcon }
const unknown: Look = { color: 'grey', Icon: UnknownIcon }
const bad: Look = { color: 'red', Icon: ExclamationCircleIcon }
const warning: Look = { color: 'orange', Icon: ExclamationTriangleIcon }
const watching: Look = { color: 'blue', Icon: EyeIcon }
const off: Look = { color: 'grey', Icon: MinusCircleIcon }

/** The words of mission, "Enforcement states". */
const enforcement: Record<string, Look> = {
  Off: off,
  Auditing: watching,
  Warning: warning,
  Enforced: good,
  Gap: bad,
  Unknown: unknown,
}

const health: Record<string, Look> = {
  Ready: good,
  Expiring: { color: 'orange', Icon: ClockIcon },
  Expired: bad,
  Failing: bad,
  Unreachable: { color: 'red', Icon: PluggedIcon },
  Unknown: unknown,
}

const verdicts: Record<string, Look> = {
  ALLOW: good,
  DENY: { color: 'red', Icon: BanIcon },
  UNKNOWN: unknown,
}

const verdictWords: Record<string, string> = { ALLOW: 'Allowed', DENY: 'Denied', UNKNOWN: 'Unknown' }

const stages: Record<string, Look> = { off, audit: watching, warn: warning, deny: good }

/** A state in words of its own, with the look of a known kind. */
export function StateLabel({
  look,
  children,
  title,
}: {
  look: 'good' | 'unknown' | 'bad' | 'warning' | 'watching' | 'off'
  children: ReactNode
  title?: string
}) {
  const found = { good, unknown, bad, warning, watching, off }[look]
  return <Shown look={found} title={title}>{children}</Shown>
}

function Shown({ look, title, children }: { look: Look; title?: string | undefined; children: ReactNode }) {
  return (
    <Label color={look.color} icon={<look.Icon />} variant="outline" isCompact {...(title ? { title } : {})}>
      {children}
    </Label>
  )
}

/** What a policy does in a place. */
export function Enforcement({ state, title }: { state: string | null | undefined; title?: string }) {
  const word = state && enforcement[state] ? state : 'Unknown'
  return (
    <Shown look={enforcement[word] ?? unknown} title={title}>
      {word}
    </Shown>
  )
}

/** Whether it works. */
export function Health({ state, title }: { state: string | null | undefined; title?: string }) {
  const word = state && health[state] ? state : 'Unknown'
  return (
    <Shown look={health[word] ?? unknown} title={title}>
      {word}
    </Shown>
  )
}

/** Both axes, as they stand in the head of every page about a place. */
export function StatePair(props: { enforcement: string | null | undefined; health: string | null | undefined }) {
  return (
    <span className="state-pair">
      <span className="axis">Enforcement</span> <Enforcement state={props.enforcement} />
      <span className="axis">Health</span> <Health state={props.health} />
    </span>
  )
}

/** May it run? Null is no policy: then there is no verdict, which is not a good one. */
export function Verdict({ verdict, title }: { verdict: string | null | undefined; title?: string }) {
  if (verdict === null || verdict === undefined) return <Shown look={unknown} title={title}>No policy</Shown>
  return (
    <Shown look={verdicts[verdict] ?? unknown} title={title}>
      {verdictWords[verdict] ?? verdict}
    </Shown>
  )
}

/** How far a policy is. */
export function StageLabel({ stage }: { stage: string | null | undefined }) {
  return <Shown look={(stage && stages[stage]) || unknown}>{stage ?? 'unknown'}</Shown>
}
