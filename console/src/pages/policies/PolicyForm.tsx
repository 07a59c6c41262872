/**
 * The form of a policy, new or stored: name, groups, registry access, allowed sources, stage; beside it what it would do
 * to what runs now, and the matcher. Nothing is stored before the plan was shown and confirmed.
 */
import {
  ActionGroup,
  Alert,
  Button,
  Checkbox,
  Form,
  FormGroup,
  FormHelperText,
  Grid,
  GridItem,
  HelperText,
  HelperTextItem,
  Switch,
  TextInput,
} from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'

import { send } from '../../api/client'
import type { Document, List, Stage } from '../../api/documents'
import { asProblem } from '../../api/problem'
import { codeOfChange, InCode } from '../../parts/InCode'
import { useSay } from '../../parts/Say'
import { MayButton } from '../../parts/Who'
import { AccessTable } from './AccessTable'
import { Choose } from './Choose'
import { ConfirmPolicy } from './ConfirmPolicy'
import { added, documentName, documentOf, missing, sourceKey, type Draft, type PolicyDocument } from './draft'
import { useEffectOf } from './effect'
import { LiveEffect } from './LiveEffect'
import { Matcher, pointed } from './Matcher'
import { SourcesTable } from './SourcesTable'
import { StageTiles } from './StageTiles'

export interface PolicyFormProps {
  draft: Draft
  change: (update: (draft: Draft) => Draft) => void
  /** What the sources are filled with: nothing, what system namespaces run, or all that runs. */
  filling: 'system' | 'all' | 'none'
  onStored: (name: string) => void
  onCancel: () => void
}

type Group = Document<{ type?: string; title?: string }, { coveredBy?: string | null; environments?: string[] }>

const all = { query: { limit: 500 } }

export function useGroups(type: Draft['type']) {
  const found = useQuery({ queryKey: ['groups'], queryFn: () => send<List<Group>>('/api/v1/groups', all) })
  const items = (found.data?.items ?? []).filter((one) => (one.spec.type ?? 'kubernetes') === 'kubernetes' === (type === 'kubernetes'))
  return { ...found, items }
}

export function useRegistries() {
  const found = useQuery({ queryKey: ['registries'], queryFn: () => send<List<Document>>('/api/v1/registries', all), retry: false })
  return (found.data?.items ?? []).map((one) => one.metadata.name)
}

export function PolicyForm({ draft, change, filling, onStored, onCancel }: PolicyFormProps) {
  const groups = useGroups(draft.type)
  const registries = useRegistries()
  const [typed, type_] = useState('')
  const [asked, ask] = useState({ image: '', namespace: '', environment: '' })
  const [tried, tryIt] = useState(false)
  const [confirming, confirm] = useState<PolicyDocument | null>(null)
  const say = useSay()
  const set = (changed: Partial<Draft>) => change((before) => ({ ...before, ...changed }))

  const name = documentName(draft)
  const document = documentOf(draft, name || 'new-policy')
  const { data: effect, error, isFetching } = useEffectOf(document, {
    ...(asked.image.trim() ? { images: [asked.image.trim()] } : {}),
    ...(typed.trim() ? { prefixes: [typed.trim()] } : {}),
    ...(asked.namespace.trim() ? { namespace: asked.namespace.trim() } : {}),
    ...(asked.environment ? { environment: asked.environment } : {}),
  })
  const matched = effect?.matched[0]
  // Whoever holds a role in some groups alone may plan a policy for those, and for nothing before they are chosen.
  const early = Boolean(error) && asProblem(error).status === 404 && !draft.groups.length
  const cannot = early ? 'Choose environment groups first.' : error ? 'Mend first what the live effect names.' : ''
  const lacks = missing(draft)
  const taken = effect?.exists && !draft.stored && effect.policy === name
  const covering = groups.items.filter((one) => draft.groups.includes(one.metadata.name) && coveredBy(one, draft))
  const kubernetes = draft.type === 'kubernetes'

  const filled = useRef<string | null>(null)
  const fill = async (which: 'system' | 'all', again = false) => {
    const found = (await inventory(draft.groups)).filter((one) => which === 'all' || one.scope !== 'Global')
    const kept = again ? [] : draft.sources
    const sources = found.reduce((rows, one) => added(rows, one, sourceKey), kept)
    filled.current = kept.length ? null : JSON.stringify(sources)
    set({ sources })
    return sources.length - kept.length
  }
  const fillAndSay = (which: 'system' | 'all') =>
    fill(which).then(
      (count) => say(count ? `Added ${count} sources of what runs now` : 'Nothing runs there that is not listed already', 'info'),
      (failed: unknown) => say(asProblem(failed).message, 'danger'),
    )
  // Rows that were filled in follow the groups, until somebody has changed them by hand.
  const chosen = draft.groups.join()
  useEffect(() => {
    const untouched = !draft.sources.length || JSON.stringify(draft.sources) === filled.current
    if (filling === 'none' || draft.stored || !draft.restrict || !untouched) return
    void fill(filling, true).catch(() => undefined)
  }, [chosen, draft.restrict])

  const submit = () => {
    tryIt(true)
    if (Object.keys(lacks).length || taken) {
      say('Something is missing: see the fields', 'danger')
      globalThis.document.querySelector<HTMLElement>(lacks.called || taken ? '#policy-name' : lacks.groups ? '#policy-groups' : '#access-registry')?.focus()
      return
    }
    confirm(document)
  }

  return (
    <>
      <Grid hasGutter>
        <GridItem lg={7}>
          <Form
            onSubmit={(event) => {
              event.preventDefault()
              submit()
            }}
          >
            <FormGroup label="Name" fieldId="policy-name" isRequired>
              <TextInput
                id="policy-name"
                value={draft.called}
                isRequired
                maxLength={200}
                validated={(tried && lacks.called) || taken ? 'error' : 'default'}
                onChange={(_, text) => set({ called: text })}
                aria-describedby="policy-name-help"
              />
              <FormHelperText>
                <HelperText id="policy-name-help" isLiveRegion>
                  {tried && lacks.called ? <HelperTextItem variant="error">{lacks.called}</HelperTextItem> : null}
                  {taken ? <HelperTextItem variant="error">There is a policy called {name} already. Choose another name, or change that one.</HelperTextItem> : null}
                  <HelperTextItem>
                    {name ? (
                      <>
                        Others refer to it as <code>{name}</code>, which stays; what it is called may change.
                      </>
                    ) : (
                      'What people call it; it may change later.'
                    )}
                  </HelperTextItem>
                </HelperText>
              </FormHelperText>
            </FormGroup>
            <FormGroup label="Environment groups" fieldId="policy-groups" isRequired>
              <Choose
                id="policy-groups"
                what="Environment groups"
                options={groups.items.map((one) => ({
                  value: one.metadata.name,
                  about: environmentsText(one.status?.environments),
                  warning: coveredBy(one, draft) ? `in the policy ${coveredBy(one, draft)}` : undefined,
                }))}
                chosen={draft.groups}
                set={(chosen) => set({ groups: chosen })}
                none={`There is no ${kubernetes ? 'Kubernetes' : 'Docker or Swarm'} group that you may see`}
              />
              {tried && lacks.groups ? <Problem text={lacks.groups} /> : null}
              {covering.length ? (
                <Alert variant="warning" isInline isPlain title="Confirming takes groups out of other policies">
                  {covering.map((one) => `${one.metadata.name} leaves ${coveredBy(one, draft)}`).join('; ')}.
                </Alert>
              ) : null}
            </FormGroup>
            <AccessTable type={draft.type} access={draft.access} set={(access) => set({ access })} registries={registries} effect={effect} />
            {tried && lacks.access ? <Problem text={lacks.access} /> : null}
            <fieldset className="policy-part">
              <legend>Allowed sources</legend>
              <Switch
                id="policy-restrict"
                label="Restrict to allowed sources"
                isChecked={draft.restrict}
                onChange={(_, on) => set({ restrict: on, stage: on && draft.stage === 'off' ? 'audit' : draft.stage })}
              />
              {draft.restrict ? (
                <>
                  <Alert variant="info" isInline isPlain title={kubernetes ? 'Needs Kubernetes 1.30 or later' : 'Deployment time only'}>
                    {kubernetes
                      ? 'A ValidatingAdmissionPolicy in each cluster judges every pod: an image from any other source is refused before the pod is created.'
                      : 'Docker and Swarm have no admission step: sources are checked where somebody deploys through Portreeve, and by nothing else.'}
                  </Alert>
                  <Checkbox
                    id="policy-include"
                    label="A granted registry is an allowed source in the namespaces of its access"
                    isChecked={draft.includeGranted}
                    onChange={(_, on) => set({ includeGranted: on })}
                  />
                  <SourcesTable
                    type={draft.type}
                    sources={draft.sources}
                    set={(sources) => set({ sources })}
                    typed={typed}
                    type_={type_}
                    shown={effect?.prefixes[0]}
                    effect={effect}
                    cannot={cannot}
                    marked={asked.image.trim() && matched?.image === asked.image.trim() ? pointed(matched) : new Set()}
                    fill={(which) => void fillAndSay(which)}
                  />
                  <StageTiles stage={draft.stage} set={(stage: Stage) => set({ stage })} type={draft.type} without={draft.stored ? [] : ['off']} />
                </>
              ) : null}
            </fieldset>
            <Checkbox
              id="policy-override"
              label="Accesses of single environments stay in force beside those of the policy"
              description="Otherwise the policy's accesses replace them in its groups. They are kept, and count again once the policy is gone."
              isChecked={draft.allowOverride}
              onChange={(_, on) => set({ allowOverride: on })}
            />
            <ActionGroup>
              <MayButton kind="registry-policy" action="plan" type="submit" variant="primary">
                {draft.stored ? 'Save changes' : 'Create policy'}
              </MayButton>
              <Button variant="link" onClick={onCancel}>
                Cancel
              </Button>
              <InCode code={codeOfChange({ documents: [document], replace: covering.length > 0 })} what={`The policy ${name || 'new-policy'}`} />
            </ActionGroup>
          </Form>
        </GridItem>
        <GridItem lg={5}>
          <aside className="policy-aside" aria-label="What the policy would do">
            <LiveEffect
              effect={effect}
              error={early ? null : error}
              asking={isFetching}
              restricts={draft.restrict && draft.stage !== 'off'}
              fillSystem={() => void fillAndSay('system')}
            />
            <Matcher
              image={asked.image}
              namespace={asked.namespace}
              environment={asked.environment}
              environments={(effect?.places ?? []).map((one) => one.environment)}
              set={(changed) => ask({ ...asked, ...changed })}
              matched={matched}
              kubernetes={kubernetes}
            />
          </aside>
        </GridItem>
      </Grid>
      {confirming ? (
        <ConfirmPolicy
          document={confirming}
          stored={draft.stored}
          effect={effect}
          replace={covering.length > 0}
          onDone={() => onStored(confirming.metadata.name)}
          onClose={() => confirm(null)}
        />
      ) : null}
    </>
  )
}

/** The other policy that covers a group now. */
function coveredBy(group: Group, draft: Draft): string | null {
  const other = group.status?.coveredBy ?? null
  return other === draft.stored?.metadata.name ? null : other
}

function environmentsText(names: string[] | undefined): string {
  const count = names?.length ?? 0
  return count === 1 ? `1 environment: ${names?.[0]}` : `${count} environments`
}

function Problem({ text }: { text: string }) {
  return (
    <HelperText isLiveRegion>
      <HelperTextItem variant="error">{text}</HelperTextItem>
    </HelperText>
  )
}

/** What runs in the groups, as sources. */
async function inventory(groups: string[]) {
  const found = await send<{ document: PolicyDocument }>('/api/v1/policytemplates/from-inventory', { query: { group: groups } })
  return found.document.spec.restrict?.allowedSources ?? []
}
