/** How a policy goes from stage to stage: what holds it, what it would deny, forward through a plan and back at once. */
import {
  Alert,
  Button,
  Form,
  FormGroup,
  FormHelperText,
  FormSelect,
  FormSelectOption,
  HelperText,
  HelperTextItem,
  List,
  ListItem,
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
  Spinner,
  TextInput,
} from '@patternfly/react-core'
import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'

import { pathOf, send } from '../../api/client'
import type { Stage } from '../../api/documents'
import { asProblem } from '../../api/problem'
import { PlanShown, type Plan, Workloads } from '../../parts/ConfirmChange'
import { When } from '../../parts/Fresh'
import { codeOfCall, InCode, type Call } from '../../parts/InCode'
import { useSay } from '../../parts/Say'
import { StageLabel, StateLabel } from '../../parts/State'
import { duration } from '../../parts/time'
import { useUrl } from '../../parts/url'
import { MayButton } from '../../parts/Who'
import { Wrong } from '../../parts/Wrong'
import { BurnDown } from './BurnDown'

const STAGES: Stage[] = ['off', 'audit', 'warn', 'deny']

interface Hold {
  environment: string | null
  code: string
  message: string
  since: string | null
  until: string | null
}

/** A rollout as the API answers it (server/stages/routes.py). */
export interface RolloutShown {
  stage: Stage
  wanted: Stage
  next?: Stage | null
  held: boolean
  quietSeconds: number
  holds: Hold[]
  places: {
    environment: string
    lastSeen: string | null
    told: boolean
    enforced: string | null
    present: boolean
    watchedSince: string | null
    lastViolation: string | null
    violations: number
  }[]
  hiddenEnvironments: number
  violations: { environment: string; namespace: string; owner: string; image: string; verdict: string; reason: string }[]
  violationsTotal: number
}

const SHOWN = 20

const DAY_S = 86_400
const QUIET: [string, string][] = [
  ['1', '1 day'],
  ['7', '7 days'],
  ['14', '14 days'],
  ['30', '30 days'],
]

export function Rollout({ name, etag }: { name: string; etag: string | undefined }) {
  const [url, setUrl] = useUrl()
  const days = QUIET.some(([one]) => one === url.quiet) ? Number(url.quiet) : 7
  const { data, error, refetch } = useQuery({
    queryKey: ['rollout', name, days],
    queryFn: () => send<RolloutShown>(pathOf('policies', name, 'rollout'), { query: { quietSeconds: days * DAY_S } }),
    placeholderData: keepPreviousData,
    refetchInterval: 30_000,
    retry: false,
  })
  const [moving, move] = useState<Stage | null>(null)
  if (error) return <Wrong error={error} again={() => void refetch()} />
  if (!data) {
    return (
      <p role="status">
        <Spinner size="md" aria-label="Loading" /> Looking at its environments…
      </p>
    )
  }
  const at = STAGES.indexOf(data.stage)
  return (
    <div className="rollout">
      <ol className="stage-steps" aria-label="Stages">
        {STAGES.map((one, index) => (
          <li key={one} aria-current={index === at ? 'step' : undefined} className={index === at ? 'chosen' : ''}>
            <StageLabel stage={one} />
          </li>
        ))}
      </ol>
      <div className="form-actions">
        {data.next ? (
          <MayButton kind="registry-policy" action="update" variant="primary" onClick={() => move(data.next ?? null)}>
            Go on to {data.next}
          </MayButton>
        ) : null}
        {STAGES.slice(0, at)
          .reverse()
          .map((one) => (
            <MayButton key={one} kind="registry-policy" action="update" variant="secondary" onClick={() => move(one)}>
              Back to {one}
            </MayButton>
          ))}
      </div>
      {data.next ? (
        <FormGroup label="It goes on once nothing would have been denied for" fieldId="rollout-quiet">
          <FormSelect id="rollout-quiet" className="quiet" value={String(days)} onChange={(_, chosen) => setUrl({ quiet: chosen === '7' ? undefined : chosen })}>
            {QUIET.map(([value, words]) => (
              <FormSelectOption key={value} value={value} label={words} />
            ))}
          </FormSelect>
        </FormGroup>
      ) : null}
      {data.next ? <Holds shown={data} /> : <p>It is at its last stage.</p>}
      <BurnDown name={name} />
      <Looks shown={data} />
      <Violations shown={data} />
      {moving ? <Move name={name} etag={etag} from={data.stage} to={moving} days={days} close={() => move(null)} /> : null}
    </div>
  )
}

function Holds({ shown }: { shown: RolloutShown }) {
  if (!shown.held) return <Alert variant="success" isInline title={`Nothing holds it back from ${shown.wanted}`} />
  return (
    <Alert variant="warning" isInline title={`Held back from ${shown.wanted}`}>
      <p>
        It goes on once nothing would have been denied for {duration(shown.quietSeconds)}, while each environment was watched without a gap.
      </p>
      <List>
        {shown.holds.slice(0, SHOWN).map((one, index) => (
          <ListItem key={index}>
            {one.environment ? <code>{one.environment}</code> : null} {one.message}
            {one.until ? (
              <span className="fresh">
                {' '}
                until <When at={one.until} />
              </span>
            ) : null}
          </ListItem>
        ))}
        {shown.holds.length > SHOWN ? <ListItem>and {shown.holds.length - SHOWN} more</ListItem> : null}
        {shown.holds.length ? null : <ListItem>Something in environments that you may not see.</ListItem>}
      </List>
    </Alert>
  )
}

function Looks({ shown }: { shown: RolloutShown }) {
  if (!shown.places.length) return <p>No environment of its groups that you may see.</p>
  return (
    <section aria-label="Environments">
      <h2>Environments</h2>
      <div className="scrolled" tabIndex={0} role="region" aria-label="Environments, table">
        <table className="plain">
          <thead>
            <tr>
              <th scope="col">Environment</th>
              <th scope="col">Last seen</th>
              <th scope="col">Stage proved</th>
              <th scope="col">Watched since</th>
              <th scope="col">Last violation</th>
              <th scope="col">Violations now</th>
            </tr>
          </thead>
          <tbody>
            {shown.places.slice(0, 200).map((one) => (
              <tr key={one.environment}>
                <td>{one.environment}</td>
                <td>
                  <When at={one.lastSeen} />
                </td>
                <td>{one.present && one.enforced ? one.enforced : <StateLabel look="unknown">not proved</StateLabel>}</td>
                <td>
                  <When at={one.watchedSince} none="not watched" />
                </td>
                <td>
                  <When at={one.lastViolation} none="none seen" />
                </td>
                <td>{one.told ? one.violations : <StateLabel look="unknown">unknown</StateLabel>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {shown.hiddenEnvironments ? <p className="fresh">{shown.hiddenEnvironments} environments that you may not see are not listed.</p> : null}
    </section>
  )
}

function Violations({ shown }: { shown: RolloutShown }) {
  return <Workloads title="What it would deny" rows={shown.violations} total={shown.violationsTotal} level="h2" />
}

/** The request of a move, and the command that sends the same. */
export function moveCall(name: string, from: Stage, to: Stage, reason: string, days = 7): Call {
  const forward = STAGES.indexOf(to) > STAGES.indexOf(from)
  return {
    method: 'POST',
    path: pathOf('policies', name, 'stage'),
    body: { stage: to, ...(forward ? { quietSeconds: days * DAY_S } : {}), ...(reason ? { force: true, reason } : {}) },
    argv: forward
      ? ['promote', name, '--to', to, '--quiet-for', `${days}d`, ...(reason ? ['--force', '--reason', reason] : []), '-y']
      : ['rollback', name, '--to', to],
    ...(forward ? { planned: 'by digest' } : {}),
  }
}

function Move({ name, etag, from, to, days, close }: { name: string; etag: string | undefined; from: Stage; to: Stage; days: number; close: () => void }) {
  const forward = STAGES.indexOf(to) > STAGES.indexOf(from)
  const [reason, why] = useState('')
  const [typed, type] = useState('')
  const [running, run] = useState(false)
  const [refused, refuse] = useState<unknown>(null)
  const say = useSay()
  const client = useQueryClient()
  const path = pathOf('policies', name, 'stage')
  const plan = useQuery({
    queryKey: ['plan', 'stage', name, to, days],
    queryFn: () => send<Plan & RolloutShown>(path, { method: 'POST', query: { dryRun: 'All' }, body: { stage: to, quietSeconds: days * DAY_S } }),
    retry: false,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  })
  const held = forward && Boolean(plan.data?.held)
  const word = forward && plan.data?.newlyDenied.length ? 'deny' : ''
  const ready = plan.data && !plan.data.blocked && (!held || reason.trim()) && typed === word && !running
  const call = moveCall(name, from, to, held ? reason.trim() : '', days)

  const confirm = async () => {
    if (!plan.data) return
    run(true)
    refuse(null)
    try {
      const headers: Record<string, string> = { 'Portreeve-Plan': plan.data.digest }
      if (!forward && etag) headers['If-Match'] = etag
      await send(path, { method: 'POST', body: call.body, headers })
      await client.invalidateQueries({ predicate: (query) => query.queryKey[0] !== 'plan' })
      say(`Moved ${name} to ${to}`)
      close()
    } catch (failed) {
      refuse(failed)
    } finally {
      run(false)
    }
  }
  const title = forward ? `Move ${name} on to ${to}` : `Move ${name} back to ${to}`
  return (
    <Modal isOpen onClose={close} variant="large" aria-label={title}>
      <ModalHeader title={title} description="What would happen. Nothing has been changed yet." />
      <ModalBody>
        {plan.error ? <Wrong error={plan.error} again={() => void plan.refetch()} /> : null}
        {plan.isPending && !plan.error ? (
          <p role="status">
            <Spinner size="md" aria-label="Planning" /> Working out what it would change…
          </p>
        ) : null}
        {plan.data ? (
          <>
            {forward ? <Holds shown={plan.data} /> : null}
            <PlanShown plan={plan.data} />
            <Form onSubmit={(event) => event.preventDefault()}>
              {held ? (
                <FormGroup label="Why it goes on all the same" fieldId="move-reason">
                  <TextInput id="move-reason" value={reason} maxLength={500} onChange={(_, text) => why(text)} autoComplete="off" />
                  <FormHelperText>
                    <HelperText>
                      <HelperTextItem>It stands in the policy's status, and the audit log says that it was held.</HelperTextItem>
                    </HelperText>
                  </FormHelperText>
                </FormGroup>
              ) : null}
              {word ? (
                <FormGroup label={`Type ${word} to confirm that these workloads cannot start again`} fieldId="move-word">
                  <TextInput id="move-word" value={typed} onChange={(_, text) => type(text)} autoComplete="off" />
                </FormGroup>
              ) : null}
            </Form>
          </>
        ) : null}
        {refused ? (
          <>
            <Wrong error={refused} />
            {['plan_outdated', 'version_outdated'].includes(asProblem(refused).code) ? (
              <Button
                variant="secondary"
                onClick={() => {
                  refuse(null)
                  void plan.refetch()
                }}
              >
                Look at the plan anew
              </Button>
            ) : null}
          </>
        ) : null}
      </ModalBody>
      <ModalFooter>
        <Button variant={word ? 'danger' : 'primary'} isDisabled={!ready} isLoading={running} spinnerAriaValueText="Working" onClick={() => void confirm()}>
          {forward ? `Move on to ${to}` : `Move back to ${to}`}
        </Button>
        <Button variant="link" onClick={close}>
          Cancel
        </Button>
        <InCode code={codeOfCall(call)} what={title} />
      </ModalFooter>
    </Modal>
  )
}
