/** The confirmation of a policy: the plan, what each environment can do, and the document line by line. */
import { Content } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'

import { pathOf, send } from '../../api/client'
import { bare } from '../../api/documents'
import { asProblem } from '../../api/problem'
import { ConfirmChange, type Plan } from '../../parts/ConfirmChange'
import { yaml } from '../../parts/yaml'
import { diff } from './diff'
import type { PolicyDocument } from './draft'
import type { PolicyEffect } from './effect'
import { Places } from './LiveEffect'

export interface ConfirmPolicyProps {
  document: PolicyDocument
  stored: PolicyDocument | null
  effect: PolicyEffect | undefined
  /** Whether groups leave other policies: the form has said so beside each of them. */
  replace: boolean
  /** What is done, where it is not storing what the form holds. */
  what?: { title: string; verb: string; done: string }
  onDone: () => void
  onClose: () => void
}

export function ConfirmPolicy({ document, stored, effect, replace, what, onDone, onClose }: ConfirmPolicyProps) {
  const name = document.metadata.name
  const restricts = (document.spec.restrict?.stage ?? 'off') !== 'off'
  return (
    <ConfirmChange
      title={what?.title ?? (stored ? `Change the policy ${name}` : `Create the policy ${name}`)}
      change={{ documents: [document], ...(replace ? { replace: true } : {}) }}
      verb={what?.verb ?? 'Confirm'}
      done={what?.done ?? (stored ? `Changed the policy ${name}` : `Created the policy ${name}`)}
      onDone={onDone}
      onClose={onClose}
      more={(plan) => (
        <Content>
          <Allowed plan={plan} />
          {effect ? <Places places={effect.places} restricts={restricts} /> : null}
          <DocumentDiff before={stored} after={document} />
          {plan.policiesReplaced.map((one) => (
            <Replaced key={one.group} name={one.takenFrom} group={one.group} />
          ))}
        </Content>
      )}
    />
  )
}

function Allowed({ plan }: { plan: Plan }) {
  const count = plan.counts.newlyAllowed ?? 0
  if (!count) return null
  return <p>{count === 1 ? 'One running image is refused today and would be allowed.' : `${count} running images are refused today and would be allowed.`}</p>
}

/** What becomes of a policy that loses a group; read as it is now. */
function Replaced({ name, group }: { name: string; group: string }) {
  const { data, error } = useQuery({
    queryKey: ['document', 'policies', name],
    queryFn: () => send<PolicyDocument>(pathOf('policies', name)),
    retry: false,
  })
  if (error) return <p className="fresh">The policy {name} cannot be shown: {asProblem(error).message}</p>
  if (!data) return null
  const after = { ...data, spec: { ...data.spec, groups: (data.spec.groups ?? []).filter((one) => one !== group) } }
  return <DocumentDiff before={data} after={after} />
}

const WORDS = { '+': 'added', '-': 'removed', ' ': '' } as const

/** A document before and after as YAML, line by line. */
export function DocumentDiff({ before, after }: { before: PolicyDocument | null; after: PolicyDocument }) {
  const lines = diff(before ? yaml(bare(before)) : '', yaml(bare(after)))
  return (
    <details>
      <summary>
        YAML of {after.metadata.name}: {lines.filter((one) => one.sign === '+').length} lines added, {lines.filter((one) => one.sign === '-').length} removed
      </summary>
      <pre className="yaml-diff" tabIndex={0} aria-label={`YAML of ${after.metadata.name}`}>
        {lines.map((one, index) => (
          <code key={index} className={one.sign === '+' ? 'line added' : one.sign === '-' ? 'line removed' : 'line'}>
            {WORDS[one.sign] ? <span className="off-screen">{WORDS[one.sign]} </span> : null}
            {one.sign} {one.text}
            {'\n'}
          </code>
        ))}
      </pre>
    </details>
  )
}
