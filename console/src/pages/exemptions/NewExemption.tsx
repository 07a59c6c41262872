/** The request: for which image, where, why, until when. Somebody else approves it. */
import {
  Alert,
  Button,
  Checkbox,
  Form,
  FormGroup,
  FormSelect,
  FormSelectOption,
  HelperText,
  HelperTextItem,
  TextArea,
} from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState, type FormEvent } from 'react'

import { send } from '../../api/client'
import type { Document, List } from '../../api/documents'
import { useMay, useMe } from '../../api/session'
import { ConfirmChange } from '../../parts/ConfirmChange'
import { Field } from '../../parts/Field'
import { here, useGo } from '../../parts/Go'
import { Page } from '../../parts/Page'
import { useUrl } from '../../parts/url'
import { Wrong } from '../../parts/Wrong'
import { day, documentOf, faults, MOST_DAYS, suggested, type Draft } from './model'
import './exemptions.css'

type Policy = Document<{ title?: string; groups: string[] }>

export function NewExemption() {
  const [url] = useUrl()
  const go = useGo()
  const { data: me } = useMe()
  const may = useMay('exemption', 'create')
  const [now] = useState(() => Date.now())
  const [draft, set] = useState<Draft>(() => ({
    name: '',
    policy: url.policy ?? '',
    image: url.image ?? '',
    groups: [],
    namespaces: url.namespace ?? '',
    reason: '',
    ticket: '',
    owner: '',
    until: day(now, 14),
  }))
  const [tried, attempt] = useState(false)
  const [asking, ask] = useState(false)
  const { data, error, refetch } = useQuery<List<Policy>>({
    queryKey: ['list', '/api/v1/policies', { limit: 200 }],
    queryFn: ({ signal }) => send<List<Policy>>('/api/v1/policies', { query: { limit: 200 }, signal }),
  })
  const policies = data?.items ?? []
  const whole: Draft = {
    ...draft,
    name: draft.name || suggested(draft.image, draft.until),
    owner: draft.owner || me?.teams[0] || me?.user || '',
  }
  const wrong = faults(whole, now)
  const shown = tried ? wrong : {}
  const groups = policies.find((one) => one.metadata.name === draft.policy)?.spec.groups ?? []
  const change = (part: Partial<Draft>) => set((before) => ({ ...before, ...part }))
  const submit = (event: FormEvent) => {
    event.preventDefault()
    attempt(true)
    if (!Object.keys(wrong).length) ask(true)
    else document.getElementById(Object.keys(wrong)[0] ?? '')?.focus()
  }
  return (
    <Page
      title="Request an exemption"
      above={[{ title: 'Exemptions', to: '/exemptions' }]}
      about="A hole in a policy, with an end. Whoever asks does not approve: that is done by another person."
    >
      {!may.allowed ? <Alert variant="info" isInline title={`You cannot request one: ${may.who}`} /> : null}
      {error ? <Wrong error={error} again={() => void refetch()} /> : null}
      <Form onSubmit={submit} className="narrow-form" noValidate>
        <FormGroup label="Policy" fieldId="policy" isRequired>
          <FormSelect
            id="policy"
            value={draft.policy}
            onChange={(_, policy) => change({ policy, groups: [] })}
            validated={shown.policy ? 'error' : 'default'}
          >
            <FormSelectOption value="" label="Choose the policy that refuses it" />
            {policies.map((one) => (
              <FormSelectOption key={one.metadata.name} value={one.metadata.name} label={one.spec.title || one.metadata.name} />
            ))}
            {draft.policy && !policies.some((one) => one.metadata.name === draft.policy) ? (
              <FormSelectOption value={draft.policy} label={draft.policy} />
            ) : null}
          </FormSelect>
          {shown.policy ? (
            <HelperText>
              <HelperTextItem variant="error">{shown.policy}</HelperTextItem>
            </HelperText>
          ) : null}
        </FormGroup>
        <Field
          id="image"
          label="Image"
          value={draft.image}
          set={(image) => change({ image })}
          isRequired
          spellCheck={false}
          fault={shown.image}
          help="A repository, as docker.io/library/redis, or best a digest: sha256:… exempts one image and nothing that comes after it."
        />
        <Field
          id="namespaces"
          label="Namespaces"
          value={draft.namespaces}
          set={(namespaces) => change({ namespaces })}
          spellCheck={false}
          fault={shown.namespaces}
          help="By commas. Empty means every namespace: whoever approves will ask why."
        />
        {groups.length > 1 ? (
          <FormGroup label="Environment groups" role="group" fieldId="groups">
            {groups.map((group) => (
              <Checkbox
                key={group}
                id={`group-${group}`}
                label={group}
                isChecked={draft.groups.includes(group)}
                onChange={(_, on) => change({ groups: on ? [...draft.groups, group] : draft.groups.filter((one) => one !== group) })}
              />
            ))}
            <HelperText>
              <HelperTextItem>None means all of them.</HelperTextItem>
            </HelperText>
          </FormGroup>
        ) : null}
        <FormGroup label="Reason" fieldId="reason" isRequired>
          <TextArea
            id="reason"
            value={draft.reason}
            onChange={(_, reason) => change({ reason })}
            rows={3}
            isRequired
            aria-describedby="reason-help"
            validated={shown.reason ? 'error' : 'default'}
          />
          <HelperText id="reason-help">
            <HelperTextItem variant={shown.reason ? 'error' : 'default'}>{shown.reason ?? 'Why it must run, and what makes it unnecessary.'}</HelperTextItem>
          </HelperText>
        </FormGroup>
        <Field id="ticket" label="Ticket" value={draft.ticket} set={(ticket) => change({ ticket })} help="Where it is discussed." />
        <Field
          id="owner"
          label="Owner"
          value={draft.owner}
          placeholder={whole.owner}
          set={(owner) => change({ owner })}
          isRequired
          fault={shown.owner}
          help="Who answers for it."
        />
        <Field
          id="until"
          type="date"
          label="Ends"
          value={draft.until}
          min={day(now, 1)}
          max={day(now, MOST_DAYS)}
          set={(until) => change({ until })}
          isRequired
          fault={shown.until}
          help={`At the begin of this day, UTC. At most ${MOST_DAYS} days.`}
        />
        <Field
          id="name"
          label="Name"
          value={draft.name}
          placeholder={whole.name}
          set={(name) => change({ name })}
          spellCheck={false}
          fault={shown.name}
          help="It never changes. Left empty, it is made of the image and the end."
        />
        <div>
          <Button type="submit" isDisabled={!may.allowed}>
            Request it
          </Button>{' '}
          <Button variant="link" onClick={() => go('/exemptions')}>
            Cancel
          </Button>
        </div>
      </Form>
      {asking ? (
        <ConfirmChange
          title={`Request the exemption ${whole.name}`}
          change={{ documents: [documentOf(whole)] }}
          verb="Request"
          done={`Requested ${whole.name}: somebody else approves it`}
          onDone={() => go(here('exemptions', whole.name))}
          onClose={() => ask(false)}
          more={() => <p>It counts once another person has approved it, and until {whole.until}.</p>}
        />
      ) : null}
    </Page>
  )
}
