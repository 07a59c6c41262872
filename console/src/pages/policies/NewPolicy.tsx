/**
 * A new policy: first its type (Kubernetes > Registry, Docker > Registry) and what it begins with, then the form. Both
 * choices stand in the address; what is typed in the form is kept while the page is open.
 */
import { Alert, Button, FormGroup, FormSelect, FormSelectOption, SearchInput, Spinner } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'

import { pathOf, send } from '../../api/client'
import { here, useGo } from '../../parts/Go'
import { Page } from '../../parts/Page'
import { useUrl } from '../../parts/url'
import { Wrong } from '../../parts/Wrong'
import { draftOf, empty, type Draft, type PolicyDocument, type PolicyType } from './draft'
import { PolicyForm, useRegistries } from './PolicyForm'

interface Kind {
  type: PolicyType
  template: string
  /** "Kubernetes > Registry". */
  path: string
  title: string
  about: string
}

const KUBERNETES = 'Kubernetes > Registry'
const DOCKER = 'Docker > Registry'

const CUSTOM: Kind[] = [
  { type: 'kubernetes', template: 'custom', path: KUBERNETES, title: 'Custom', about: 'Begin with nothing but what a cluster needs.' },
  { type: 'docker', template: 'custom', path: DOCKER, title: 'Custom', about: 'Registries for users and teams of Docker hosts and Swarms.' },
]

const TITLES: Record<string, string> = {
  production: 'Production',
  staging: 'Staging',
  development: 'Development',
  'air-gapped': 'Air-gapped',
  'from-inventory': 'From what runs now',
}

function useKinds() {
  const found = useQuery({
    queryKey: ['policytemplates'],
    queryFn: () => send<{ items: { name: string; text: string; stage: string }[] }>('/api/v1/policytemplates'),
  })
  const templates = (found.data?.items ?? []).map<Kind>((one) => ({
    type: 'kubernetes',
    template: one.name,
    path: KUBERNETES,
    title: TITLES[one.name] ?? one.name,
    about: `${one.text} Begins at ${one.stage}.`,
  }))
  return { ...found, kinds: [CUSTOM[0]!, ...templates, CUSTOM[1]!] }
}

const above = [{ title: 'Policies', to: '/policies' }]

export function NewPolicy() {
  const [url, setUrl] = useUrl()
  const go = useGo()
  const [draft, setDraft] = useState<Draft | null>(null)
  const chosen = url.type && url.template ? `${url.type}/${url.template}` : ''
  const writing = Boolean(chosen) && url.step === 'form'
  const type: PolicyType = url.type === 'docker' ? 'docker' : 'kubernetes'
  const template = useTemplate(type, writing ? (url.template ?? '') : '', url.registry ?? '')
  const key = `${chosen}/${url.registry ?? ''}`
  const [made, make] = useState('')
  useEffect(() => {
    // Once for each choice: who goes back to look at another one and returns finds what they typed.
    if (!template.data || made === key) return
    const groups = (url.groups ?? '').split(',').filter(Boolean)
    setDraft(groups.length ? { ...template.data, groups, called: `Sources of ${groups.join(' and ')}` } : template.data)
    make(key)
  }, [template.data, key])

  if (!writing) return <Choice chosen={chosen} registry={url.registry ?? ''} set={setUrl} cancel={() => go('/policies')} />
  return (
    <Page
      title="Create a registry policy"
      above={above}
      about={`${type === 'docker' ? DOCKER : KUBERNETES}, ${url.template === 'custom' ? 'Custom' : (TITLES[url.template ?? ''] ?? url.template)}. Nothing is stored before you have confirmed its plan.`}
      actions={
        <Button variant="link" onClick={() => setUrl({ step: undefined }, true)}>
          Choose another type
        </Button>
      }
    >
      {template.error ? <Wrong error={template.error} again={() => void template.refetch()} /> : null}
      {draft && made === key ? (
        <PolicyForm
          draft={draft}
          change={(update) => setDraft((before) => (before ? update(before) : before))}
          filling={url.template === 'from-inventory' ? 'all' : url.template === 'custom' && type === 'kubernetes' ? 'system' : 'none'}
          onStored={(name) => go(here('policies', name))}
          onCancel={() => go('/policies')}
        />
      ) : template.error ? null : (
        <p role="status">
          <Spinner size="md" aria-label="Loading" /> Reading the template…
        </p>
      )}
    </Page>
  )
}

/** The draft that a template begins with. */
function useTemplate(type: PolicyType, template: string, registry: string) {
  return useQuery<Draft>({
    queryKey: ['template', type, template, registry],
    enabled: Boolean(template),
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async () => {
      if (template === 'custom') return empty(type)
      const found = await send<{ document: PolicyDocument }>(pathOf('policytemplates', template), { query: { registry } })
      const draft = draftOf(found.document, false)
      // Rows of what runs are those of the groups, which are chosen first.
      // It says where images come from and grants nothing: what environments grant stays in force beside it.
      return template === 'from-inventory' ? { ...draft, sources: [], restrict: true, allowOverride: true } : { ...draft, restrict: true }
    },
  })
}

function Choice({ chosen, registry, set, cancel }: { chosen: string; registry: string; set: ReturnType<typeof useUrl>[1]; cancel: () => void }) {
  const { kinds, error, refetch } = useKinds()
  const [text, type] = useState('')
  const registries = useRegistries()
  const wanted = text.toLowerCase().split(/\s+/).filter(Boolean)
  const shown = kinds.filter((one) => wanted.every((word) => `${one.path} ${one.title} ${one.about}`.toLowerCase().includes(word)))
  const paths = [...new Set(shown.map((one) => one.path))]
  const air = chosen === 'kubernetes/air-gapped'
  const ready = Boolean(chosen) && (!air || registries.length <= 1 || Boolean(registry))
  return (
    <Page title="Create policy" above={above} about="What the policy is for, and what it begins with.">
      {error ? <Wrong error={error} again={() => void refetch()} title="The templates cannot be read" /> : null}
      <form
        onSubmit={(event) => {
          event.preventDefault()
          if (ready) set({ step: 'form' }, true)
        }}
      >
        <SearchInput aria-label="Narrow policy types" placeholder="Narrow policy types" value={text} onChange={(_, typed) => type(typed)} onClear={() => type('')} data-filter="" />
        {paths.map((path) => (
          <fieldset key={path} className="tiles">
            <legend>{path}</legend>
            {shown
              .filter((one) => one.path === path)
              .map((one) => {
                const value = `${one.type}/${one.template}`
                return (
                  <label key={value} className={value === chosen ? 'tile chosen' : 'tile'}>
                    <input
                      type="radio"
                      name="policy-type"
                      value={value}
                      checked={value === chosen}
                      onChange={() => set({ type: one.type, template: one.template, registry: undefined })}
                    />
                    <span>
                      <strong>{one.title}</strong>
                      <span className="fresh">{one.about}</span>
                    </span>
                  </label>
                )
              })}
          </fieldset>
        ))}
        {paths.length ? null : <p role="status">No policy type is called like that.</p>}
        {air && registries.length > 1 ? (
          <FormGroup label="The internal registry" fieldId="air-registry">
            <FormSelect id="air-registry" value={registry} onChange={(_, name) => set({ registry: name || undefined })}>
              <FormSelectOption value="" label="Select the one registry that counts" />
              {registries.map((one) => (
                <FormSelectOption key={one} value={one} label={one} />
              ))}
            </FormSelect>
          </FormGroup>
        ) : null}
        {air && registries.length === 0 ? <Alert variant="info" isInline isPlain title="There is no registry yet: add the internal one as an allowed source yourself" /> : null}
        <div className="form-actions">
          <Button type="submit" variant="primary" isDisabled={!ready}>
            Continue
          </Button>
          <Button variant="link" onClick={cancel}>
            Cancel
          </Button>
        </div>
      </form>
    </Page>
  )
}
