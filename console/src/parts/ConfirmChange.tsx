/**
 * Plan, then confirm (mission, rule 9): what a change would create, change and delete, whom it would newly deny, and
 * only then the button. What is confirmed is the plan that was shown: if the world changed since, the server refuses.
 */
import {
  Button,
  Content,
  Form,
  FormGroup,
  Label,
  List,
  ListItem,
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
  Spinner,
  TextInput,
} from '@patternfly/react-core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'

import { pathOf, send } from '../api/client'
import { bare, type Document } from '../api/documents'
import { asProblem } from '../api/problem'
import { useFocusBack } from './focus'
import { codeOfChange, InCode, type Change, type Code } from './InCode'
import { useSay } from './Say'
import { Wrong } from './Wrong'

export interface PlanProblem {
  code: string
  field: string
  message: string
  hint: string
}

export interface RunningImage {
  environment: string
  namespace: string
  owner: string
  image: string
}

export interface Denial extends RunningImage {
  verdict: string
  stage: string
  reason: string
}

export interface PlannedEnvironment {
  environment: string
  enforcedBy: string
  policyBefore: string | null
  policyAfter: string | null
  masked: string[]
  unmasked: string[]
  changes: { change: string; object: string; namespace: string; name: string; facts: Record<string, unknown>; before?: Record<string, unknown> }[]
  changesTotal: number
  notes: PlanProblem[]
}

/** A plan as the API answers it (server/plans/view.py). */
export interface Plan {
  id: string
  state: string
  digest: string
  needsConfirmation: boolean
  blocked: boolean
  expiresAt: string
  documents: { kind: string; name: string; change: string }[]
  counts: Record<string, number>
  environments: PlannedEnvironment[]
  policiesReplaced: { group: string; takenFrom: string; takenBy: string; emptied: boolean }[]
  conflicts: PlanProblem[]
  refusals: PlanProblem[]
  valve: PlanProblem[]
  warnings: PlanProblem[]
  newlyDenied: Denial[]
  newlyReported: Denial[]
  newlyAllowed: RunningImage[]
  uses: (RunningImage & { registry: string })[]
  text: string[]
}

export interface ConfirmChangeProps {
  /** "Delete the registry harbor-prod". */
  title: string
  change: Change
  /** Where the server makes the plan by a route of its own (approving a request): that call, and the same in code. */
  planned?: { ask: () => Promise<Plan>; key: string; code: Code }
  /** The verb on the button. */
  verb: string
  danger?: boolean
  /** Said when it is done. */
  done: string
  onDone: () => void
  onClose: () => void
  /** Where more may be said about this change than the plan does. */
  more?: (plan: Plan) => React.ReactNode
}

const SHOWN = 20

/** A document as it is planned: at the version that was read, so that what somebody else wrote meanwhile is not undone. */
function pinned(document: Document): object {
  const etag = document.status?.etag
  return etag ? { ...bare(document), status: { etag } } : bare(document)
}

/** The plan of a change; it is made once for each change. */
export function usePlan(change: Change | null, planned?: ConfirmChangeProps['planned']) {
  return useQuery<Plan>({
    queryKey: ['plan', change, planned?.key],
    queryFn: () =>
      planned?.ask() ??
      send<Plan>('/api/v1/plans', {
        method: 'POST',
        body: {
          documents: (change?.documents ?? []).map(pinned),
          delete: (change?.delete ?? []).map(({ kind, name, etag }) => ({ kind, name, ...(etag ? { etag } : {}) })),
          replace: change?.replace ?? false,
          force: change?.force ?? false,
        },
      }),
    enabled: change !== null,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    retry: false,
  })
}

export function ConfirmChange(props: ConfirmChangeProps) {
  const [consents, consent] = useState<{ replace?: boolean; force?: boolean }>({})
  const change = { ...props.change, ...consents }
  const { data: plan, error, isFetching, refetch } = usePlan(change, props.planned)
  const [typed, type] = useState('')
  const [running, run] = useState(false)
  const [refused, refuse] = useState<unknown>(null)
  const say = useSay()
  const client = useQueryClient()
  useFocusBack()
  // Only what stops running workloads has to be typed; asked for each small thing, people would type without reading.
  const word = plan?.newlyDenied.length ? 'deny' : ''
  // `blocked` knows nothing of a consent to many deletions, which is what the valve waits for.
  const held = plan && (plan.refusals.length || plan.conflicts.length || (plan.valve.length && !change.force))
  const ready = plan && !held && typed === word && !running

  const confirm = async () => {
    if (!plan) return
    run(true)
    refuse(null)
    try {
      await send(`${pathOf('plans', plan.id)}/confirm`, { method: 'POST' })
      await client.invalidateQueries({ predicate: (query) => query.queryKey[0] !== 'plan' })
      say(props.done)
      props.onDone()
    } catch (failed) {
      refuse(failed)
    } finally {
      run(false)
    }
  }

  return (
    <Modal isOpen onClose={props.onClose} variant="large" aria-label={props.title}>
      <ModalHeader title={props.title} description="What would happen. Nothing has been changed yet." />
      <ModalBody>
        {error ? <Wrong error={error} again={() => void refetch()} /> : null}
        {!plan && !error ? (
          <p role="status">
            <Spinner size="md" aria-label="Planning" /> Working out what it would change…
          </p>
        ) : null}
        {plan ? (
          <>
            <PlanShown plan={plan} />
            {props.more?.(plan)}
            {plan.policiesReplaced.length && !consents.replace && plan.conflicts.length ? (
              <Button variant="secondary" onClick={() => consent({ ...consents, replace: true })}>
                Take the groups out of their policies
              </Button>
            ) : null}
            {plan.valve.length && !consents.force ? (
              <Button variant="warning" onClick={() => consent({ ...consents, force: true })}>
                Delete this many all the same
              </Button>
            ) : null}
            {word ? (
              <Form onSubmit={(event) => event.preventDefault()}>
                <FormGroup label={`Type ${word} to confirm that these workloads cannot start again`} fieldId="confirm-word">
                  <TextInput id="confirm-word" value={typed} onChange={(_, text) => type(text)} autoComplete="off" />
                </FormGroup>
              </Form>
            ) : null}
          </>
        ) : null}
        {refused ? (
          <>
            <Wrong error={refused} />
            {['plan_outdated', 'version_outdated', 'plan_expired'].includes(asProblem(refused).code) ? (
              <Button
                variant="secondary"
                onClick={() => {
                  refuse(null)
                  void refetch()
                }}
              >
                Look at the plan anew
              </Button>
            ) : null}
          </>
        ) : null}
      </ModalBody>
      <ModalFooter>
        <Button
          variant={props.danger ? 'danger' : 'primary'}
          isDisabled={!ready || isFetching}
          isLoading={running}
          spinnerAriaValueText="Working"
          onClick={() => void confirm()}
        >
          {props.verb}
        </Button>
        <Button variant="link" onClick={props.onClose}>
          Cancel
        </Button>
        <InCode code={props.planned?.code ?? codeOfChange(change)} what={props.title} />
      </ModalFooter>
    </Modal>
  )
}

const signs: Record<string, string> = { create: '+', update: '~', delete: '-', leave: '-' }
const words: Record<string, string> = { create: 'create', update: 'change', delete: 'delete', leave: 'remove once its agent has cleaned up' }

/** A plan in plain words: `+ ~ -`, then who is hit. */
export function PlanShown({ plan }: { plan: Plan }) {
  const none = !plan.documents.length
  return (
    <Content>
      {none ? <p>Nothing would change.</p> : null}
      <ul className="plan" aria-label="Documents">
        {plan.documents.map((one) => (
          <li key={`${one.kind}/${one.name}`}>
            <code aria-hidden="true">{signs[one.change]}</code> {words[one.change] ?? one.change} {one.kind} <code>{one.name}</code>
          </li>
        ))}
      </ul>
      <Problems title="Refused" problems={plan.refusals} color="red" />
      <Problems title="In conflict" problems={plan.conflicts} color="red" />
      <Problems title="Unusually many deletions" problems={plan.valve} color="orange" />
      <Problems title="To be known" problems={plan.warnings} color="orange" />
      {plan.policiesReplaced.map((one) => (
        <p key={one.group}>
          The group <code>{one.group}</code> leaves the policy <code>{one.takenFrom}</code> for <code>{one.takenBy}</code>
          {one.emptied ? ', which then covers no group' : ''}.
        </p>
      ))}
      <Workloads title="Running workloads that would be denied" rows={plan.newlyDenied} total={plan.counts.newlyDenied} />
      <Workloads title="Running workloads that would newly be reported" rows={plan.newlyReported} total={plan.counts.newlyReported} />
      <Workloads title="Running workloads that use what changes" rows={plan.uses} total={plan.counts.uses} />
      {plan.environments.map((one) => (
        <details key={one.environment} open={plan.environments.length === 1}>
          <summary>
            {one.environment}: {one.changesTotal} {one.changesTotal === 1 ? 'object' : 'objects'}
            {one.policyBefore !== one.policyAfter
              ? `, policy ${one.policyBefore ?? 'none'} → ${one.policyAfter ?? 'none'}`
              : ''}
          </summary>
          <ul className="plan">
            {one.changes.slice(0, SHOWN).map((change) => (
              <li key={`${change.object}/${change.namespace}/${change.name}`}>
                <code aria-hidden="true">{signs[change.change]}</code> {words[change.change]} {change.object}{' '}
                <code>{change.namespace ? `${change.namespace}/${change.name}` : change.name}</code>
              </li>
            ))}
            {one.changesTotal > SHOWN ? <li>and {one.changesTotal - SHOWN} more</li> : null}
          </ul>
          {one.masked.length ? <p>Accesses that the policy then replaces: {one.masked.join(', ')}</p> : null}
          {one.unmasked.length ? <p>Accesses that then count again: {one.unmasked.join(', ')}</p> : null}
          <Problems title="Notes" problems={one.notes} color="grey" />
        </details>
      ))}
    </Content>
  )
}

function Problems({ title, problems, color }: { title: string; problems: PlanProblem[]; color: 'red' | 'orange' | 'grey' }) {
  if (!problems.length) return null
  return (
    <section aria-label={title}>
      <Label color={color} variant="outline">
        {title}
      </Label>
      <List>
        {problems.map((one, index) => (
          <ListItem key={index}>
            {one.message} {one.hint ? <em>{one.hint}</em> : null}
          </ListItem>
        ))}
      </List>
    </section>
  )
}

/** Running workloads: the first ones, and how many there are. `level` is that of their heading. */
export function Workloads({ title, rows, total = rows.length, level: Level = 'h3' }: { title: string; rows: (RunningImage & { reason?: string })[]; total?: number | undefined; level?: 'h2' | 'h3' }) {
  if (!rows.length) return null
  return (
    <section aria-label={title}>
      <Level>
        {title}: {total}
      </Level>
      <div className="scrolled" tabIndex={0} role="region" aria-label={`${title}, table`}>
        <table className="plain">
          <thead>
            <tr>
              <th scope="col">Environment</th>
              <th scope="col">Namespace</th>
              <th scope="col">Workload</th>
              <th scope="col">Image</th>
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, SHOWN).map((one, index) => (
              <tr key={index}>
                <td>{one.environment}</td>
                <td>{one.namespace}</td>
                <td>{one.owner}</td>
                <td>
                  <code>{one.image}</code>
                  {one.reason ? <div className="fresh">{one.reason}</div> : null}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {total > SHOWN ? <p>and {total - SHOWN} more</p> : null}
    </section>
  )
}
