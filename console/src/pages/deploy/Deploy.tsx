/**
 * From a namespace to a manifest: a registry that is granted there, a repository, an image that will be admitted, and
 * what to write. Everything that was chosen stands in the address.
 */
import '../../parts/choices.css'

import { Alert, Button, Form, FormGroup, FormSelect, FormSelectOption, SearchInput, Spinner, Switch, TextInput } from '@patternfly/react-core'
import { keepPreviousData, useQueries, useQuery } from '@tanstack/react-query'
import { useEffect, useState, type ReactNode } from 'react'

import { pathOf, send } from '../../api/client'
import type { Document, List } from '../../api/documents'
import { AnnotationDialog } from '../../parts/Annotation'
import { Fresh, When } from '../../parts/Fresh'
import { codeOfCall, CodeForms } from '../../parts/InCode'
import { byDigest, size, type Image, type Row, type Tag } from '../../parts/images'
import { Page } from '../../parts/Page'
import { useSettled } from '../../parts/PlanBeside'
import { Source } from '../../parts/Source'
import { StateLabel, Verdict } from '../../parts/State'
import { Teach } from '../../parts/Teach'
import { useUrl } from '../../parts/url'
import { type PullPolicy, type Usage } from '../../parts/usage'
import { Wrong } from '../../parts/Wrong'
import { applied, argv, choiceOf, manifest, whyNot, workloadName, type Choice, type Explained, type RegistryChoice } from './choice'

interface EnvironmentSpec {
  type?: string
  tier: string
}

const SHOWN = 20
const POLICIES: [PullPolicy, string][] = [
  ['IfNotPresent', 'if it is not there yet: a digest never changes, so this is enough'],
  ['Always', 'at each start: the credential must be live then'],
  ['Never', 'only what is on the node already'],
]
const NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/

/** What of the address a choice makes void: everything behind it. */
const ORDER = ['environment', 'namespace', 'registry', 'repository', 'image'] as const

export function Deploy() {
  const [url, setUrl] = useUrl()
  const choose = (what: (typeof ORDER)[number], value: string) => {
    const after = ORDER.slice(ORDER.indexOf(what) + 1)
    setUrl({ ...Object.fromEntries(after.map((one) => [one, undefined])), [what]: value || undefined })
  }
  const { environment = '', namespace = '', registry = '', repository = '', image = '' } = url

  const { data: environments, error, refetch } = useQuery({
    queryKey: ['list', '/api/v1/environments', 'all'],
    queryFn: () => send<List<Document<EnvironmentSpec>>>('/api/v1/environments', { query: { limit: 200 } }),
  })
  // On a Docker host there are no namespaces, and no admission that could be foreseen.
  const clusters = environments?.items.filter((one) => (one.spec.type ?? 'kubernetes') === 'kubernetes')
  const { data: granted, error: unseen, dataUpdatedAt } = useQuery({
    queryKey: ['granted', environment],
    queryFn: async () => (await send<{ items: RegistryChoice[] }>(pathOf('environments', environment, 'registries'))).items,
    enabled: environment !== '',
  })
  const registries = granted?.filter((one) => one.namespaces)
  const namespaces = [...new Set(registries?.flatMap((one) => one.namespaces ?? []))].sort()
  const here = registries?.filter((one) => one.namespaces?.includes(namespace)) ?? []
  const anonymous = granted?.some((one) => !one.namespaces)
  const chosen = here.find((one) => one.registry === registry)
  // Where there is no choice, nobody has to make it.
  useEffect(() => {
    const [only, ...others] = namespaces
    if (only && !others.length && !namespace) choose('namespace', only)
  }, [namespaces.join()])
  useEffect(() => {
    const [only, ...others] = here
    if (only && !others.length && !registry) choose('registry', only.registry)
  }, [here.map((one) => one.registry).join()])

  return (
    <Page title="Deploy" about="Pick an image that will be admitted, and take the manifest along.">
      <Form className="wide-form" onSubmit={(event) => event.preventDefault()}>
        {error ? <Wrong error={error} again={() => void refetch()} /> : null}
        {clusters && !clusters.length ? (
          <Teach title="No environment is seen" command="portreeve add environment prod-eu --tier production --group production">
            Namespaces in which a registry is granted to you will stand here.
          </Teach>
        ) : (
          <Step number={1} title="Where">
            <FormGroup label="Environment" fieldId="deploy-environment" isRequired>
              <FormSelect id="deploy-environment" value={environment} onChange={(_, value) => choose('environment', value)}>
                <FormSelectOption value="" label="choose one" />
                {clusters?.map((one) => (
                  <FormSelectOption key={one.metadata.name} value={one.metadata.name} label={`${one.metadata.name} (${one.spec.tier})`} />
                ))}
              </FormSelect>
            </FormGroup>
            {unseen ? <Wrong error={unseen} /> : null}
            {registries && !namespaces.length ? (
              <Teach title="No registry is granted to you here" headingLevel="h3" command={`portreeve grant REGISTRY --environment ${environment} -n NAMESPACE`}>
                Only registries that are added and granted in a namespace can be chosen. Ask somebody who administers {environment}.
              </Teach>
            ) : null}
            {namespaces.length ? (
              <FormGroup label="Namespace" fieldId="deploy-namespace" isRequired>
                <FormSelect id="deploy-namespace" value={namespace} onChange={(_, value) => choose('namespace', value)}>
                  <FormSelectOption value="" label="choose one" />
                  {namespaces.map((one) => (
                    <FormSelectOption key={one} value={one} label={one} />
                  ))}
                </FormSelect>
              </FormGroup>
            ) : null}
          </Step>
        )}
        {namespace && here.length ? (
          <Step number={2} title="Registry">
            <p>
              What is granted in {namespace}. <Fresh at={dataUpdatedAt} what="asked" />
            </p>
            <div className="choices" role="radiogroup" aria-label="Registry">
              {here.map((one) => (
                <label key={one.registry} className={one.registry === registry ? 'choice chosen' : 'choice'}>
                  <input type="radio" name="deploy-registry" checked={one.registry === registry} onChange={() => choose('registry', one.registry)} />
                  <span>
                    {one.registry}
                    <span className="fresh">
                      {' '}
                      {one.prefix}, {one.mode}
                      {one.expiresAt ? (
                        <>
                          , ends <When at={one.expiresAt} />
                        </>
                      ) : null}
                    </span>
                  </span>
                </label>
              ))}
            </div>
            {anonymous ? (
              <p className="fresh">Docker Hub without signing in is not among them: nothing is granted there, so nothing is chosen there by itself.</p>
            ) : null}
          </Step>
        ) : null}
        {chosen ? <RepositoryStep registry={registry} repository={repository} choose={(value) => choose('repository', value)} /> : null}
        {chosen && repository ? (
          <ImageStep
            key={`${registry}/${repository}`}
            place={{ environment, namespace }}
            registry={registry}
            host={hostOf(chosen.prefix)}
            repository={repository}
            digest={image}
            choose={(value) => choose('image', value)}
          />
        ) : null}
        {chosen && repository && image ? (
          <Review key={image} place={{ environment, namespace }} choice={chosen} repository={repository} digest={image} />
        ) : null}
      </Form>
    </Page>
  )
}

/** The host in the key of a pull secret's entry. Docker Hub's is written as a URL. */
function hostOf(key: string): string {
  return key.startsWith('https://index.docker.io') ? 'docker.io' : (key.split('/')[0] ?? '')
}

interface Place {
  environment: string
  namespace: string
}

function Step({ number, title, children }: { number: number; title: string; children: ReactNode }) {
  return (
    <section className="step" aria-labelledby={`step-${number}`}>
      <h2 id={`step-${number}`}>
        {number}. {title}
      </h2>
      {children}
    </section>
  )
}

/** A text that is searched for by the server, once it stands still. */
function useSearched(): [string, string, (text: string) => void] {
  const [typed, type] = useState('')
  const [settled] = useSettled(typed, 250)
  return [typed, settled, type]
}

function RepositoryStep({ registry, repository, choose }: { registry: string; repository: string; choose: (name: string) => void }) {
  const [typed, search, type] = useSearched()
  const { data, error, isPending, refetch } = useQuery({
    queryKey: ['registry', registry, 'repositories', search],
    queryFn: () => send<List<{ name: string; runningIn: number }>>(pathOf('registries', registry, 'repositories'), { query: { search, limit: SHOWN } }),
    placeholderData: keepPreviousData,
  })
  const names = data?.items.map((one) => one.name) ?? []
  const listed = repository && !names.includes(repository) ? [repository, ...names] : names
  return (
    <Step number={3} title="Repository">
      <SearchInput className="search" aria-label="Part of a repository" placeholder="Part of a repository" value={typed} onChange={(_, text) => type(text)} onClear={() => type('')} />
      {error ? <Wrong error={error} again={() => void refetch()} /> : null}
      {isPending ? <Spinner size="md" aria-label="Loading repositories" /> : null}
      {data ? <Source list={data} /> : null}
      {data && !listed.length ? <p>No repository {search ? 'holds that' : 'is seen'}.</p> : null}
      <div className="choices" role="radiogroup" aria-label="Repository">
        {listed.map((one) => (
          <label key={one} className={one === repository ? 'choice chosen' : 'choice'}>
            <input type="radio" name="deploy-repository" checked={one === repository} onChange={() => choose(one)} />
            <span>{one}</span>
          </label>
        ))}
      </div>
      {data?.metadata.continue ? <p className="fresh">There are more: search for part of the name.</p> : null}
    </Step>
  )
}

const LOOKS: Record<Choice, 'good' | 'warning' | 'bad' | 'unknown'> = { yes: 'good', reported: 'warning', no: 'bad', unknown: 'unknown' }
const WORDS: Record<Choice, string> = { yes: 'will be admitted', reported: 'admitted, and reported', no: 'will not be admitted', unknown: 'unknown' }

interface ImageStepProps {
  place: Place
  registry: string
  host: string
  repository: string
  digest: string
  choose: (digest: string) => void
}

function ImageStep({ place, registry, host, repository, digest, choose }: ImageStepProps) {
  const [url, setUrl] = useUrl()
  const all = url.all === 'yes'
  const [typed, search, type] = useSearched()
  const base = pathOf('registries', registry)
  const { data, error, isPending, refetch } = useQuery({
    queryKey: ['registry', registry, 'tags', repository, search, 'deploy'],
    queryFn: () => send<List<Tag>>(`${base}/tags`, { query: { repository, search, limit: SHOWN } }),
    placeholderData: keepPreviousData,
  })
  const tags = data?.items ?? []
  const looked = useQueries({
    queries: tags.map((tag) => ({
      queryKey: ['registry', registry, 'image', repository, tag.digest ?? tag.name],
      queryFn: () => send<Image>(`${base}/image`, { query: { repository, reference: tag.digest ?? tag.name } }),
      staleTime: 60_000,
      retry: false,
    })),
  })
  const images = new Map<string, Image>()
  tags.forEach((tag, index) => {
    const found = looked[index]?.data
    if (found) images.set(tag.name, found)
  })
  const rows = byDigest(tags, images).filter((row) => row.digest)
  const pinned = rows.map((row) => `${host}/${repository}@${row.digest}`)
  const { data: verdicts } = useQuery({
    queryKey: ['verdicts', place, pinned],
    queryFn: async () => {
      const answer = await send<{ items: Explained[] }>('/api/v1/verdicts', { method: 'POST', query: { ...place }, body: { images: pinned } })
      return new Map(answer.items.map((one) => [one.image, one]))
    },
    enabled: pinned.length > 0,
    placeholderData: keepPreviousData,
  })
  const judged = rows.map((row, index) => ({ row, found: verdicts?.get(pinned[index] ?? '') }))
  const selectable = (found: Explained | undefined) => ['yes', 'reported'].includes(choiceOf(found))
  const hidden = verdicts ? judged.filter(({ found }) => !selectable(found)).length : 0
  const shown = judged.filter(({ row, found }) => all || selectable(found) || row.digest === digest)
  const waiting = isPending || looked.some((one) => one.isPending) || (pinned.length > 0 && !verdicts)

  return (
    <Step number={4} title="Image">
      <div className="buttons">
        <SearchInput className="search" aria-label="Part of a tag" placeholder="Part of a tag" value={typed} onChange={(_, text) => type(text)} onClear={() => type('')} />
        <Switch
          id="deploy-all"
          label="Show also what will not be admitted, and why"
          isChecked={all}
          onChange={(_, on) => setUrl({ all: on ? 'yes' : undefined })}
        />
      </div>
      {error ? <Wrong error={error} again={() => void refetch()} /> : null}
      <div aria-live="polite">
        {waiting ? <Spinner size="md" aria-label="Judging the images" /> : null}
        {!waiting && !shown.length ? (
          <Alert variant="info" isInline title={hidden ? 'Nothing here will be admitted in this namespace' : 'No image is seen'}>
            {hidden ? 'Switch on what will not be admitted, to see why.' : null}
          </Alert>
        ) : null}
        {!waiting && shown.length && hidden && !all ? <p className="fresh">{hidden} more will not be admitted there.</p> : null}
      </div>
      <div className="choices wide" role="radiogroup" aria-label="Image">
        {shown.map(({ row, found }) => (
          <ImageChoice key={row.digest} row={row} found={found} chosen={row.digest === digest} choose={() => choose(row.digest ?? '')} />
        ))}
      </div>
      {data?.metadata.continue ? <p className="fresh">There are more tags: search for part of one.</p> : null}
    </Step>
  )
}

function ImageChoice({ row, found, chosen, choose }: { row: Row; found: Explained | undefined; chosen: boolean; choose: () => void }) {
  const choice = choiceOf(found)
  const can = choice === 'yes' || choice === 'reported'
  return (
    <label className={chosen ? 'choice chosen' : can ? 'choice' : 'choice cannot'}>
      <input type="radio" name="deploy-image" checked={chosen} disabled={!can} onChange={choose} />
      <span>
        <strong>{row.tags.join(', ')}</strong> <code title={row.digest ?? ''}>{row.digest?.slice(0, 19)}</code>{' '}
        <StateLabel look={LOOKS[choice]}>{WORDS[choice]}</StateLabel>
        <span className="fresh">
          {' '}
          {[...row.platforms, ...(row.sizeBytes === null ? [] : [size(row.sizeBytes)])].join(', ')}
        </span>
        {choice === 'yes' ? null : <span className="why">{whyNot(found)}</span>}
      </span>
    </label>
  )
}

function Review({ place, choice, repository, digest }: { place: Place; choice: RegistryChoice; repository: string; digest: string }) {
  const { registry } = choice
  const host = hostOf(choice.prefix)
  const image = `${host}/${repository}@${digest}`
  const [name, setName] = useState(workloadName(repository))
  const [pullPolicy, setPolicy] = useState<PullPolicy>('IfNotPresent')
  const [annotation, openAnnotation] = useState(false)
  useEffect(() => setName(workloadName(repository)), [repository])
  const { data: usage, error } = useQuery({
    queryKey: ['usage', registry, place, repository, digest],
    queryFn: () => send<Usage>(pathOf('registries', registry, 'usage'), { query: { ...place, repository, tag: digest } }),
  })
  const { data: verdict } = useQuery({
    queryKey: ['verdict', place, image],
    queryFn: () => send<Explained>('/api/v1/verdict', { query: { ...place, image } }),
  })
  const needs = choice.mode === 'workload'
  const fits = NAME.test(name)
  const chosen = {
    ...place,
    name,
    registry,
    host,
    repository,
    digest,
    pullPolicy,
    annotation: needs ? (usage?.annotation ?? null) : null,
  }
  return (
    <>
      <Step number={5} title="How">
        <FormGroup label="Name of the workload" fieldId="deploy-name" isRequired>
          <TextInput id="deploy-name" value={name} onChange={(_, text) => setName(text)} validated={fits ? 'default' : 'error'} autoComplete="off" />
        </FormGroup>
        <FormGroup role="radiogroup" label="Pull" fieldId="deploy-pull">
          <div className="choices">
            {POLICIES.map(([one, about]) => (
              <label key={one} className={pullPolicy === one ? 'choice chosen' : 'choice'}>
                <input type="radio" name="deploy-pull" checked={pullPolicy === one} onChange={() => setPolicy(one)} />
                <span>
                  {one} <span className="fresh">{about}</span>
                </span>
              </label>
            ))}
          </div>
        </FormGroup>
      </Step>
      <Step number={6} title="Review">
        {error ? <Wrong error={error} /> : null}
        <p>
          <Verdict verdict={verdict?.verdict} /> <code>{image}</code> in {place.environment}/{place.namespace}
          {verdict?.policy ? `, by the policy ${verdict.policy.name}` : ''}.{' '}
          {verdict?.pull ? `It is pulled with the credential of ${verdict.pull.registry}.` : 'It is pulled without a credential of ours.'}
        </p>
        <Alert
          variant="info"
          isInline
          title={needs ? 'The annotation is in the manifest: this grant is delivered by workload' : 'You need nothing: this namespace already has access'}
        >
          Nothing in it names a secret: the ServiceAccounts there do.{' '}
          <Button variant="link" isInline onClick={() => openAnnotation(true)}>
            Annotation in other forms
          </Button>
        </Alert>
        <p className="fresh">The digest is pinned, so what was judged is what runs. The console does not apply it yet: take it along to kubectl or to your repository.</p>
        {fits ? (
          <CodeForms
            code={{
              yaml: manifest(chosen),
              kubectl: applied(chosen),
              ...codeOfCall({
                method: 'GET',
                path: `/api/v1/registries/${encodeURIComponent(registry)}/usage?${new URLSearchParams({ ...place, repository, tag: digest }).toString()}`,
                argv: argv(chosen),
              }),
            }}
          />
        ) : null}
        {annotation ? (
          <AnnotationDialog registry={registry} environment={place.environment} namespace={place.namespace} onClose={() => openAnnotation(false)} />
        ) : null}
      </Step>
    </>
  )
}
