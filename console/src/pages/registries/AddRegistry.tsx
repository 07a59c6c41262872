/**
 * Adding a registry in three steps: what and where it is and how it is signed in to; the checklist of the real one; where
 * it may be used. It is stored behind the first step, whatever the second finds: its state says so.
 */
import '../../parts/choices.css'

import { Alert, Button, Form, FormGroup, FormHelperText, HelperText, HelperTextItem, ProgressStep, ProgressStepper, TextInput } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'

import { pathOf, send } from '../../api/client'
import { useMay } from '../../api/session'
import { codeOfChange } from '../../parts/InCode'
import { here, useGo } from '../../parts/Go'
import { Page } from '../../parts/Page'
import { PlanBeside, useSettled } from '../../parts/PlanBeside'
import { Teach } from '../../parts/Teach'
import { useUrl } from '../../parts/url'
import { Wrong } from '../../parts/Wrong'
import { LiveChecklist } from './Checklist'
import { credentialCode, CredentialDialog, endOf } from './CredentialDialog'
import { claimed, documentOf, EMPTY, HOSTS, methodOf, missingOf, type Entered } from './form'
import { Grant } from './Grant'
import { StepTitle } from './StepTitle'
import { nameFor, useProviders, type Claim, type Provider } from './model'
import { SignIn, Trust, Where } from './RegistryForm'
import { ProviderMark } from './ProviderMark'

const STEPS = [
  ['what', 'What and where'],
  ['check', 'Check'],
  ['done', 'Go on'],
] as const

export function AddRegistry() {
  const [url, setUrl] = useUrl()
  const go = useGo()
  const may = useMay('registry', 'create')
  const step = url.name && (url.step === 'check' || url.step === 'done') ? url.step : 'what'
  const name = url.name ?? ''
  const at = STEPS.findIndex(([one]) => one === step)
  return (
    <Page
      title={step === 'what' ? 'Add a registry' : name}
      about={step === 'what' ? 'Paste anything that names it, or choose what it is.' : undefined}
      above={[{ title: 'Registries', to: '/registries' }]}
    >
      <ProgressStepper isCenterAligned={false} aria-label="Steps">
        {STEPS.map(([one, title], index) => (
          <ProgressStep
            key={one}
            id={`step-${one}`}
            titleId={`step-${one}-title`}
            variant={index < at ? 'success' : index === at ? 'info' : 'pending'}
            isCurrent={index === at}
            aria-label={`${title}, ${index < at ? 'done' : index === at ? 'now' : 'to come'}`}
          >
            {title}
          </ProgressStep>
        ))}
      </ProgressStepper>
      {step === 'what' && !may.allowed ? <Alert variant="info" isInline title={may.who} /> : null}
      {step === 'what' && may.allowed ? <What onStored={(stored) => setUrl({ name: stored, step: 'check' }, true)} /> : null}
      {step === 'check' ? (
        <>
          <StepTitle>Does it work?</StepTitle>
          <p>It is stored. What the checklist finds is kept as its state, and can be asked for again at any time.</p>
          <LiveChecklist name={name} at="once" key={name} />
          <div className="buttons">
            <Button variant="link" onClick={() => go(`${here('registries', name)}?tab=edit`)}>
              Change what was entered
            </Button>
            <Button variant="link" onClick={() => go(here('registries', name))}>
              Leave it granted nowhere
            </Button>
          </div>
          <Grant name={name} onDone={(group) => (group ? setUrl({ step: 'done', group }, true) : go(here('registries', name)))} />
        </>
      ) : null}
      {step === 'done' ? <GoOn name={name} group={url.group ?? ''} /> : null}
    </Page>
  )
}

/** What is done next: it may be pulled from there, and nothing says yet that images may come from nowhere else. */
function GoOn({ name, group }: { name: string; group: string }) {
  const go = useGo()
  const may = useMay('registry-policy', 'plan')
  const inventory = `/policies/new?type=kubernetes&template=from-inventory&step=form&groups=${encodeURIComponent(group)}`
  return (
    <Teach
      title={`${name} is granted`}
      action={
        <>
          {may.allowed ? (
            <Button variant="primary" onClick={() => go(inventory)}>
              A policy from what runs
            </Button>
          ) : null}
          <Button variant="link" onClick={() => go(here('registries', name))}>
            See the registry
          </Button>
        </>
      }
    >
      Its pull secret is on the way. A policy for the group {group} that only watches shows what comes from elsewhere, and refuses
      nothing.
    </Teach>
  )
}

function What({ onStored }: { onStored: (name: string) => void }) {
  const { data: providers, error, refetch } = useProviders()
  const [entered, enter] = useState<Entered>(EMPTY)
  const [named, name] = useState(false)
  const [secret, setSecret] = useState('')
  const [stored, setStored] = useState('')
  const [refused, refuse] = useState<unknown>(null)
  const provider = providers?.find((one) => one.name === entered.provider)
  const method = methodOf(provider, entered.method)

  const set = (changed: Partial<Entered>) => {
    if (changed.name !== undefined) name(true)
    enter((before) => {
      const after = { ...before, ...changed }
      if (!named && changed.name === undefined) after.name = nameFor(after.host, after.path)
      return after
    })
  }
  const choose = (one: Provider) =>
    enter((before) => {
      const host = HOSTS[one.name] ?? (Object.values(HOSTS).includes(before.host) ? '' : before.host)
      return {
        ...before,
        provider: one.name,
        host,
        method: one.methods[0]?.name ?? '',
        name: named ? before.name : nameFor(host, before.path),
      }
    })
  const take = (claim: Claim) =>
    enter((before) =>
      claimed(before, claim, providers?.find((one) => one.name === claim.provider), named, nameFor(claim.host, claim.path)),
    )
  const keep = async () => {
    if (method && secret) {
      try {
        const expiresAt = endOf(entered.day)
        await send(pathOf('registries', entered.name, 'credentials', 'pull'), {
          method: 'PUT',
          body: { secret, ...(expiresAt ? { expiresAt } : {}) },
        })
      } catch (failed) {
        // The registry is there: what is missing now is its credential alone.
        refuse(failed)
        setStored(entered.name)
        return
      }
    }
    setSecret('')
    onStored(entered.name)
  }

  if (error) return <Wrong error={error} again={() => void refetch()} />
  const missing = missingOf(entered, provider, secret)
  const document = provider && entered.host && entered.name ? documentOf(entered, provider) : null
  const change = document ? codeOfChange({ documents: [document] }) : {}
  const credential = method ? credentialCode(entered.name, 'pull', true, endOf(entered.day), '') : {}
  const code = Object.fromEntries(
    Object.entries(change).map(([form, text]) => [form, [text, (credential as Record<string, string>)[form]].filter(Boolean).join('\n')]),
  )
  return (
    <Form className="wide-form" onSubmit={(event) => event.preventDefault()}>
      <Paste providers={providers ?? []} take={take} />
      <fieldset className="bare provider-tiles">
        <legend>Provider</legend>
        {providers?.map((one) => (
          <label key={one.name} className={one.name === entered.provider ? 'provider-tile chosen' : 'provider-tile'}>
            <input type="radio" name="provider" value={one.name} checked={one.name === entered.provider} onChange={() => choose(one)} />
            <ProviderMark name={one.name} />
            <span>{one.title}</span>
          </label>
        ))}
      </fieldset>
      {provider ? (
        <>
          <Where entered={entered} set={set} provider={provider} />
          <SignIn entered={entered} set={set} provider={provider} secret={secret} setSecret={setSecret} />
          <Trust entered={entered} set={set} provider={provider} />
        </>
      ) : null}
      {refused ? <Wrong error={refused} title="It is stored, and its credential is not" /> : null}
      {stored ? (
        <CredentialDialog name={stored} purpose="pull" first secretTitle={method?.secret ?? 'Secret'} onClose={() => onStored(stored)} />
      ) : null}
      <PlanBeside document={document} verb="Save and check" missing={missing} code={code} onDone={keep} />
    </Form>
  )
}

function Paste({ providers, take }: { providers: Provider[]; take: (claim: Claim) => void }) {
  const [text, setText] = useState('')
  const [asked] = useSettled(text.trim(), 250)
  const [taken, setTaken] = useState('')
  const { data, error } = useQuery({
    queryKey: ['recognise', asked],
    queryFn: async () => {
      const { items } = await send<{ items: Claim[] }>('/api/v1/recognise', { method: 'POST', body: { text: asked } })
      const [only] = items
      if (only && items.length === 1 && providers.length) {
        take(only)
        setTaken(only.provider)
      } else setTaken('')
      return items
    },
    enabled: asked !== '' && providers.length > 0,
    staleTime: 0,
    gcTime: 0,
    retry: false,
  })
  const titles = Object.fromEntries(providers.map((one) => [one.name, one.title]))
  return (
    <FormGroup label="Paste anything" fieldId="paste">
      <TextInput
        id="paste"
        value={text}
        onChange={(_, typed) => setText(typed)}
        placeholder="an address, an image, a line of docker login, an ARN"
        autoComplete="off"
        spellCheck={false}
      />
      <FormHelperText>
        <HelperText>
          <HelperTextItem>A password in it is dropped while it is read, and said to have been there.</HelperTextItem>
        </HelperText>
      </FormHelperText>
      <div aria-live="polite">
        {error ? <Wrong error={error} title="It is not understood" /> : null}
        {data && asked
          ? data.map((one) => (
              <p key={`${one.provider}/${one.host}/${one.path}`} className="claim">
                {one.certain ? 'This is' : 'This could be'} <strong>{titles[one.provider] ?? one.provider}</strong> at{' '}
                <code>{one.path ? `${one.host}/${one.path}` : one.host}</code>.{' '}
                {taken === one.provider ? (
                  <span className="fresh">taken over</span>
                ) : (
                  <Button
                    variant="link"
                    isInline
                    onClick={() => {
                      take(one)
                      setTaken(one.provider)
                    }}
                  >
                    Take it over
                  </Button>
                )}
                {one.note ? <span className="fresh"> {one.note}</span> : null}
                {one.instead ? <span className="fresh"> {one.instead}</span> : null}
              </p>
            ))
          : null}
      </div>
    </FormGroup>
  )
}
