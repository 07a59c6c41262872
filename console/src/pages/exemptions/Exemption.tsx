/** One exemption: what it covers, where it stands on its way, and what may be done with it next. */
import {
  Alert,
  Button,
  DescriptionList,
  DescriptionListDescription,
  DescriptionListGroup,
  DescriptionListTerm,
  Form,
  FormGroup,
  ProgressStep,
  ProgressStepper,
  Spinner,
  TextArea,
  Tooltip,
} from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { useState, type ReactNode } from 'react'

import { pathOf, send, withQuery } from '../../api/client'
import { useMay, useMe } from '../../api/session'
import { ConfirmCall } from '../../parts/ConfirmCall'
import { Field } from '../../parts/Field'
import { Fresh, When } from '../../parts/Fresh'
import { Go, here } from '../../parts/Go'
import { codeOfCall, InCode } from '../../parts/InCode'
import { Page } from '../../parts/Page'
import { useUrl } from '../../parts/url'
import { Wrong } from '../../parts/Wrong'
import { ExemptionState, ExpiryBar, scopeOf } from './Exemptions'
import { day, inForce, MOST_DAYS, type Exemption as Found } from './model'
import './exemptions.css'

type Step = 'approve' | 'deny' | 'revoke' | 'renew'

const WORDS: Record<Step, { verb: string; done: string; danger: boolean }> = {
  approve: { verb: 'Approve', done: 'Approved', danger: false },
  deny: { verb: 'Deny', done: 'Denied', danger: true },
  revoke: { verb: 'Revoke', done: 'Revoked', danger: true },
  renew: { verb: 'Ask for a later end', done: 'Asked for a later end of', danger: false },
}

export function Exemption() {
  const { name = '' } = useParams({ strict: false }) as { name?: string }
  const { data, error, dataUpdatedAt, refetch } = useQuery<Found>({
    queryKey: ['document', 'exemptions', name],
    queryFn: ({ signal }) => send<Found>(pathOf('exemptions', name), { signal }),
  })
  return (
    <Page
      title={name}
      above={[{ title: 'Exemptions', to: '/exemptions' }]}
      about={data?.spec.reason}
      state={data ? <ExemptionState exemption={data} /> : null}
      fresh={data ? <Fresh at={dataUpdatedAt} what="asked" /> : null}
      actions={data ? <Actions exemption={data} /> : null}
    >
      {error ? <Wrong error={error} again={() => void refetch()} /> : null}
      {!data && !error ? <Spinner aria-label="Loading the exemption" /> : null}
      {data ? <Shown exemption={data} /> : null}
    </Page>
  )
}

function Shown({ exemption }: { exemption: Found }) {
  const { spec, status } = exemption
  return (
    <>
      {status?.renewal ? (
        <Alert variant="info" isInline title={`${status.renewal.requestedBy} asks for a later end`}>
          Until <When at={status.renewal.expiresAt} />. The present end counts until somebody else approves that.
        </Alert>
      ) : null}
      <Way exemption={exemption} />
      <DescriptionList isHorizontal isCompact aria-label="The exemption">
        <Fact term="Image">
          <code className="may-break">{spec.scope.image}</code>
        </Fact>
        <Fact term="Where">{scopeOf(exemption)}</Fact>
        <Fact term="Policy">
          <Go to={here('policies', spec.policy)}>{spec.policy}</Go>
        </Fact>
        <Fact term="Ends">
          <ExpiryBar exemption={exemption} /> <span className="fresh">{spec.expiresAt}</span>
        </Fact>
        <Fact term="Owner">{spec.owner}</Fact>
        {spec.ticket ? <Fact term="Ticket">{link(spec.ticket)}</Fact> : null}
        <Fact term="Asked by">{status?.requestedBy ?? 'unknown'}</Fact>
        {status?.decidedBy ? (
          <Fact term="Decided by">
            {status.decidedBy}, <When at={status.decidedAt} />
            {status.comment ? `: ${status.comment}` : ''}
          </Fact>
        ) : null}
        <Fact term="History">
          <Go to={withQuery('/audit', { kind: 'exemption', name: exemption.metadata.name })}>its events in the audit log</Go>
        </Fact>
        <Fact term="What runs by it">
          <Go to={withQuery('/images', { prefix: spec.scope.image.startsWith('sha256:') ? '' : spec.scope.image })}>running images of this repository</Go>
        </Fact>
      </DescriptionList>
    </>
  )
}

/** What people wrote is a link only if it is one to the web. */
function link(text: string): ReactNode {
  return /^https?:\/\/\S+$/.test(text) ? (
    <a href={text} rel="noreferrer noopener" target="_blank">
      {text}
    </a>
  ) : (
    text
  )
}

function Fact({ term, children }: { term: string; children: ReactNode }) {
  return (
    <DescriptionListGroup>
      <DescriptionListTerm>{term}</DescriptionListTerm>
      <DescriptionListDescription>{children}</DescriptionListDescription>
    </DescriptionListGroup>
  )
}

/** Requested, decided, over. */
function Way({ exemption }: { exemption: Found }) {
  const state = exemption.status?.state ?? ''
  const decided = state !== 'requested'
  const refused = state === 'denied'
  const over = ['revoked', 'expired', 'denied'].includes(state)
  return (
    <ProgressStepper aria-label="Where it stands" className="own-card">
      <ProgressStep id="requested" titleId="requested-title" variant="success" description={exemption.status?.requestedBy ?? ''} aria-label="requested, done">
        Requested
      </ProgressStep>
      <ProgressStep
        id="decided"
        titleId="decided-title"
        variant={refused ? 'danger' : decided ? 'success' : 'pending'}
        isCurrent={!decided}
        description={exemption.status?.decidedBy ?? 'by another person'}
        aria-label={refused ? 'denied' : decided ? 'approved' : 'not decided yet'}
      >
        {refused ? 'Denied' : decided ? 'Approved' : 'Decision'}
      </ProgressStep>
      <ProgressStep
        id="force"
        titleId="force-title"
        variant={inForce(state) ? 'warning' : over && !refused ? 'success' : 'pending'}
        isCurrent={inForce(state)}
        description={exemption.spec.expiresAt.slice(0, 10)}
        aria-label={inForce(state) ? 'in force' : over ? 'over' : 'not in force yet'}
      >
        {state === 'revoked' ? 'Revoked' : state === 'expired' ? 'Expired' : 'In force until'}
      </ProgressStep>
    </ProgressStepper>
  )
}

function Actions({ exemption }: { exemption: Found }) {
  const { data: me } = useMe()
  const [url, setUrl] = useUrl()
  const approve = useMay('exemption', 'approve')
  const revoke = useMay('exemption', 'revoke')
  const create = useMay('exemption', 'create')
  const { state, requestedBy, renewal } = exemption.status ?? {}
  const asker = renewal ? renewal.requestedBy : requestedBy
  const own = me?.user === asker
  const undecided = state === 'requested' || renewal !== undefined
  const why = own ? 'You asked for it: another person decides, whatever your roles' : approve.allowed ? '' : approve.who
  const open = (['approve', 'deny', 'revoke', 'renew'] as const).find((one) => one === url.do)
  const start = (step: Step) => setUrl({ do: step }, true)
  return (
    <>
      {undecided ? (
        <>
          <Step why={why} variant="primary" onClick={() => start('approve')}>
            {renewal ? 'Approve the later end' : 'Approve'}
          </Step>
          <Step why={why} variant="secondary" onClick={() => start('deny')}>
            {renewal ? 'Deny the later end' : 'Deny'}
          </Step>
        </>
      ) : null}
      {inForce(state) && !renewal ? (
        <Step why={create.allowed ? '' : create.who} variant="secondary" onClick={() => start('renew')}>
          Renew
        </Step>
      ) : null}
      {inForce(state) || state === 'requested' ? (
        <Step why={revoke.allowed ? '' : revoke.who} variant="danger" onClick={() => start('revoke')}>
          Revoke
        </Step>
      ) : null}
      <InCode
        code={codeOfCall({ method: 'GET', path: pathOf('exemptions', exemption.metadata.name), argv: ['get', 'exemptions', exemption.metadata.name, '-o', 'yaml'] })}
        what={`The exemption ${exemption.metadata.name}`}
      />
      {open ? <Decide exemption={exemption} step={open} close={() => setUrl({ do: undefined })} /> : null}
    </>
  )
}

function Step({ why, variant, onClick, children }: { why: string; variant: 'primary' | 'secondary' | 'danger'; onClick: () => void; children: ReactNode }) {
  if (!why) {
    return (
      <Button variant={variant} onClick={onClick}>
        {children}
      </Button>
    )
  }
  return (
    <Tooltip content={why}>
      <Button variant={variant} isAriaDisabled>
        {children}
      </Button>
    </Tooltip>
  )
}

function Decide({ exemption, step, close }: { exemption: Found; step: Step; close: () => void }) {
  const [comment, say] = useState('')
  const [now] = useState(() => Date.now())
  const [until, end] = useState(() => day(now, 30))
  const { name } = exemption.metadata
  const { verb, done, danger } = WORDS[step]
  const renewing = step === 'renew'
  const expiresAt = `${until}T00:00:00Z`
  const later = Date.parse(expiresAt) > Math.max(now, Date.parse(exemption.spec.expiresAt)) && until <= day(now, MOST_DAYS)
  const body = { ...(comment.trim() ? { comment: comment.trim() } : {}), ...(renewing ? { expiresAt } : {}) }
  const argv = ['exempt', step, name, ...(renewing ? ['--expires-at', expiresAt] : comment.trim() ? ['--comment', comment.trim()] : [])]
  return (
    <ConfirmCall
      title={`${verb}: ${name}`}
      call={{ method: 'POST', path: `${pathOf('exemptions', name)}/${step}`, body, argv }}
      verb={verb}
      danger={danger}
      ready={!renewing || later}
      done={`${done} ${name}`}
      onDone={close}
      onClose={close}
    >
      <Consequence exemption={exemption} step={step} />
      <Form className="own-card" onSubmit={(event) => event.preventDefault()}>
        {renewing ? (
          <Field
            id="until"
            type="date"
            label="The later end"
            value={until}
            set={end}
            isRequired
            max={day(now, MOST_DAYS)}
            fault={later ? undefined : `a day after the present end, at most ${MOST_DAYS} days from now`}
            help="At the begin of this day, UTC."
          />
        ) : (
          <FormGroup label="Comment" fieldId="comment">
            <TextArea id="comment" value={comment} onChange={(_, text) => say(text)} rows={2} maxLength={2000} />
          </FormGroup>
        )}
      </Form>
    </ConfirmCall>
  )
}

function Consequence({ exemption, step }: { exemption: Found; step: Step }) {
  const { spec, status } = exemption
  const image = <code className="may-break">{spec.scope.image}</code>
  if (step === 'approve') {
    return (
      <p>
        Widens what may run: {image} will be admitted in {scopeOf(exemption)} until {(status?.renewal?.expiresAt ?? spec.expiresAt).slice(0, 10)}. The audit log keeps your name.
      </p>
    )
  }
  if (step === 'deny') return <p>{status?.renewal ? `The present end stays: ${spec.expiresAt.slice(0, 10)}.` : <>{image} stays refused.</>}</p>
  if (step === 'renew') return <p>It is asked for, and counts once another person has approved it. Until then the present end counts.</p>
  return (
    <>
      <p>
        {image} is refused from now on in {scopeOf(exemption)}. What runs keeps running, and cannot start again.
      </p>
      <Running image={spec.scope.image} />
    </>
  )
}

interface Running {
  environment: string
  namespace: string
  owner: string
  image: string
}

/** What runs below the repository: whatever of it needed the exemption cannot start again. */
function Running({ image }: { image: string }) {
  const prefix = image.startsWith('sha256:') ? '' : image
  const { data } = useQuery<{ items: Running[]; metadata: { total?: number } }>({
    queryKey: ['list', '/api/v1/images', { prefix, limit: 20 }],
    queryFn: ({ signal }) => send('/api/v1/images', { query: { prefix, limit: 20 }, signal }),
    enabled: prefix !== '',
  })
  if (!prefix) return <p>Which workloads run this digest is told on the page of images.</p>
  if (!data) return null
  if (!data.items.length) return <p>Nothing that you may see runs from there now.</p>
  const total = data.metadata.total ?? data.items.length
  return (
    <section aria-label="Running workloads of this repository">
      <h3>Running workloads whose image is written so: {total}</h3>
      <ul>
        {data.items.map((one) => (
          <li key={`${one.environment}/${one.namespace}/${one.owner}/${one.image}`}>
            {one.environment}/{one.namespace}: {one.owner}
          </li>
        ))}
      </ul>
      {total > data.items.length ? <p>and {total - data.items.length} more</p> : null}
    </section>
  )
}
