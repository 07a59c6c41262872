/** Where a registry may be used: environment and namespaces, the way its credential is delivered, and what that would do. */
import { Button, Form, FormGroup, FormHelperText, FormSelect, FormSelectOption, HelperText, HelperTextItem, TextInput } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'

import { send } from '../../api/client'
import { fresh, type Document, type List, type Mode } from '../../api/documents'
import { useMay } from '../../api/session'
import { PlanBeside } from '../../parts/PlanBeside'
import { useSay } from '../../parts/Say'
import { Teach } from '../../parts/Teach'
import { nameFor } from './model'
import { StepTitle } from './StepTitle'

interface EnvironmentSpec {
  type?: string
  tier: string
  group: string
}

const MODES: [Mode, string, string][] = [
  ['standing', 'Standing', 'the pull secret lives while the grant does'],
  ['workload', 'By workload', 'while a workload in the namespace references the registry'],
  ['lease', 'Just in time', 'live only while somebody has to pull'],
]

/** Namespaces in a text, by commas or blanks. */
export function namesIn(text: string): string[] {
  return [...new Set(text.split(/[\s,]+/).filter(Boolean))]
}

export function Grant({ name, onDone }: { name: string; onDone: (group: string) => void }) {
  const say = useSay()
  const may = useMay('registry-access', 'create')
  const [picked, setEnvironment] = useState('')
  const [chosen, choose] = useState<string[]>([])
  const [typed, type] = useState('')
  const [mode, setMode] = useState<Mode>('standing')
  const { data: environments } = useQuery({
    queryKey: ['list', '/api/v1/environments', 'all'],
    queryFn: () => send<List<Document<EnvironmentSpec>>>('/api/v1/environments', { query: { limit: 200 } }),
  })
  // Of one there is nothing to choose.
  const environment = picked || (environments?.items.length === 1 ? (environments.items[0]?.metadata.name ?? '') : '')
  const known = useNamespaces(environment)
  if (!may.allowed) return <p>{may.who}</p>
  if (environments && !environments.items.length) {
    return (
      <Teach title="There is no environment yet" command="portreeve add environment prod-eu --tier production --group production">
        A registry is granted to namespaces of an environment. The command answers what enrols its agent.
      </Teach>
    )
  }
  const names = [...new Set([...chosen, ...namesIn(typed)])].sort()
  const found = environments?.items.find((one) => one.metadata.name === environment)
  const missing = !environment ? 'Choose an environment.' : !names.length ? 'Choose a namespace, or name one.' : ''
  const document =
    environment && names.length
      ? fresh('RegistryAccess', nameFor(`${name}-${environment}`, names.join('-')), {
          registry: name,
          environment,
          namespaces: { names },
          delivery: { mode },
        })
      : null
  return (
    <>
      <StepTitle>Where may it be used?</StepTitle>
      <Form className="wide-form" onSubmit={(event) => event.preventDefault()}>
        <FormGroup label="Environment" fieldId="grant-environment" isRequired>
          <FormSelect
            id="grant-environment"
            value={environment}
            onChange={(_, value) => {
              setEnvironment(value)
              choose([])
            }}
          >
            <FormSelectOption value="" label="choose one" isDisabled />
            {environments?.items.map((one) => (
              <FormSelectOption key={one.metadata.name} value={one.metadata.name} label={`${one.metadata.name} (${one.spec.tier})`} />
            ))}
          </FormSelect>
          {found ? (
            <FormHelperText>
              <HelperText>
                <HelperTextItem>
                  {found.spec.tier}, group {found.spec.group}
                </HelperTextItem>
              </HelperText>
            </FormHelperText>
          ) : null}
        </FormGroup>
        {environment ? (
          <fieldset className="bare">
            <legend>Namespaces</legend>
            {known?.length ? (
              <div className="choices">
                {known.slice(0, 100).map((one) => (
                  <label key={one} className={chosen.includes(one) ? 'choice chosen' : 'choice'}>
                    <input
                      type="checkbox"
                      checked={chosen.includes(one)}
                      onChange={() => choose(chosen.includes(one) ? chosen.filter((other) => other !== one) : [...chosen, one])}
                    />
                    <span>{one}</span>
                  </label>
                ))}
              </div>
            ) : (
              <p className="fresh">Its agent has not told of its namespaces yet: name them.</p>
            )}
            <FormGroup label="Others, by name" fieldId="grant-names">
              <TextInput id="grant-names" value={typed} onChange={(_, text) => type(text)} placeholder="shop, shop-jobs" autoComplete="off" />
            </FormGroup>
          </fieldset>
        ) : null}
        <FormGroup role="radiogroup" label="Delivery" fieldId="grant-mode">
          <div className="choices">
            {MODES.map(([one, title, about]) => (
              <label key={one} className={mode === one ? 'choice chosen' : 'choice'}>
                <input type="radio" name="grant-mode" checked={mode === one} onChange={() => setMode(one)} />
                <span>
                  {title} <span className="fresh">{about}</span>
                </span>
              </label>
            ))}
          </div>
        </FormGroup>
        <PlanBeside
          document={document}
          verb="Grant"
          missing={missing}
          onDone={() => {
            say(`Granted ${name} in ${environment}`)
            onDone(found?.spec.group ?? '')
          }}
          beside={
            <Button variant="link" onClick={() => onDone('')}>
              Not now
            </Button>
          }
        />
      </Form>
    </>
  )
}

/** The namespaces that an environment has told of, as far as the reader sees them; null while that is not known. */
function useNamespaces(environment: string): string[] | null {
  const { data } = useQuery({
    queryKey: ['namespaces', environment],
    queryFn: async () => {
      const answer = await send<List<{ namespace: string | null }>>('/api/v1/access-matrix', { query: { environment, limit: 200 } })
      return answer.items.flatMap((one) => (one.namespace ? [one.namespace] : []))
    },
    enabled: environment !== '',
    retry: false,
  })
  return data ?? null
}
